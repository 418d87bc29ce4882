/** The notation for CodeMirror, by the table that Pygments is given too. */

import { LanguageSupport, StreamLanguage, StringStream } from '@codemirror/language';
import { Tag, tags } from '@lezer/highlight';

import table from './table.json';
import { reader } from './tokenize.js';

/** Tags to which JupyterLab's themes give a colour; most others would stay black. */
const TAGS: Record<string, Tag> = {
  magic: tags.meta,
  title: tags.definition(tags.name),
  option: tags.attributeName,
  comment: tags.comment,
  keyword: tags.keyword,
  heading: tags.definition(tags.name),
  state: tags.special(tags.variableName),
  context: tags.propertyName,
  layer: tags.labelName,
  function: tags.standard(tags.variableName),
  transform: tags.standard(tags.variableName),
  number: tags.number,
  arrow: tags.operator,
  goal: tags.keyword,
  operator: tags.operator,
  bracket: tags.bracket,
  punctuation: tags.punctuation,
  error: tags.invalid
};

export const { opened, next } = reader(table);

interface Reading {
  place: { head: boolean; proof: boolean };
  stack: string[];
}

function token(stream: StringStream, reading: Reading): string | null {
  if (stream.sol()) {
    const begun = opened(stream.string, reading.place);
    reading.place = begun.place;
    reading.stack = [begun.mode];
  }
  let found = next(stream.string, stream.pos, reading.stack);
  while (found.stop === stream.pos) {
    found = next(stream.string, stream.pos, reading.stack); // only the mode had changed
  }
  stream.pos = found.stop;
  return found.kind || null;
}

export const seqnetLanguage = StreamLanguage.define<Reading>({
  name: 'seqnet',
  startState: () => ({ place: { head: true, proof: false }, stack: ['line'] }),
  copyState: ({ place, stack }) => ({ place, stack: [...stack] }),
  blankLine: reading => {
    reading.place = opened('', reading.place).place;
  },
  token,
  tokenTable: TAGS,
  indent: () => null, // a new line begins where the one before did
  languageData: { commentTokens: { line: '#' }, closeBrackets: { brackets: ['(', '[', '{'] } }
});

export function seqnet(): LanguageSupport {
  return new LanguageSupport(seqnetLanguage);
}
