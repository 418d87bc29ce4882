/** What lights up in a cell's text while it is pointed at in the cell's output. */

import { Extension, RangeSetBuilder, StateEffect, StateField, Text } from '@codemirror/state';
import { Decoration, DecorationSet, EditorView } from '@codemirror/view';

import type { Place } from './payload';

const light = StateEffect.define<DecorationSet>();
const state = Decoration.mark({ class: 'sq-lit-state' });
const line = Decoration.line({ class: 'sq-lit-line' });

const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(lit, change) {
    const told = change.effects.find(effect => effect.is(light));
    return told ? told.value : change.docChanged ? Decoration.none : lit;
  },
  provide: lit => EditorView.decorations.from(lit)
});

export const lights: Extension = field;

/** The editor above an output; none where the output stands alone, or where the cell is not one of ours. */
export function editorOf(output: Element): EditorView | null {
  const content = output.closest('.jp-CodeCell')?.querySelector<HTMLElement>('.jp-InputArea-editor .cm-content');
  const view = content ? EditorView.findFromDOM(content) : null;
  return view && view.state.field(field, false) ? view : null;
}

/**
 * Lights places and whole lines (numbers count from the first line of the program), where the text is still what the
 * output was made from; nothing lights nothing.
 */
export function lightSource(
  view: EditorView,
  places: readonly Place[],
  lines: readonly number[],
  source: ReadonlyMap<number, string>
): void {
  const before = header(view.state.doc);
  const found = new RangeSetBuilder<Decoration>();
  const wanted: [number, number, Decoration][] = [];
  const add = (number: number, span: [number, number] | null) => {
    const text = source.get(number);
    if (number < 1 || before + number > view.state.doc.lines) {
      return;
    }
    const there = view.state.doc.line(before + number);
    if (there.text === text) {
      wanted.push(span ? [there.from + span[0], there.from + span[1], state] : [there.from, there.from, line]);
    }
  };
  lines.forEach(number => add(number, null));
  places.forEach(([number, start, stop]) => add(number, [start, stop]));
  wanted.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  wanted.forEach(([from, to, decoration]) => found.add(from, to, decoration));
  view.dispatch({ effects: light.of(found.finish()) });
}

/** How many lines stand before the program: as many as end with its magic. */
function header(document: Text): number {
  for (let number = 1; number <= document.lines; number++) {
    if (/^\s*%%seq(net|proof)/.test(document.line(number).text)) {
      return number;
    }
  }
  return 0;
}
