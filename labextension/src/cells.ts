/** Cells that begin with one of our magics are read as programs; everything else is left as it was. */

import { Compartment, EditorState, Extension, Prec, Text } from '@codemirror/state';

import { seqnet } from './language';
import { lights } from './lit';
import table from './table.json';

const MAGIC = new RegExp(table.magic, 'u');
const FARTHEST = 2000; // characters in which a magic has to stand

export function isOurs(text: string): boolean {
  return MAGIC.test(text);
}

function begins(document: Text): boolean {
  return isOurs(document.sliceString(0, FARTHEST));
}

/**
 * Nothing at all while the text is not ours; then a language that outranks the cell's own.
 *
 * It must not be computed into the language facet itself (`language.computeN`): that facet's field needs a language in
 * every editor that has it, and some have none.
 */
export function seqnetCells(source: string): Extension {
  const slot = new Compartment();
  const ours = Prec.highest([seqnet(), lights]);
  return [
    slot.of(isOurs(source.slice(0, FARTHEST)) ? ours : []),
    EditorState.transactionExtender.of(change => {
      if (!change.docChanged) {
        return null;
      }
      const now = begins(change.newDoc);
      return now === begins(change.startState.doc) ? null : { effects: slot.reconfigure(now ? ours : []) };
    })
  ];
}
