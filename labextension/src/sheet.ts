/** The table beside the picture: each line of the program with its equations. */

import { cleanMath } from './clean';
import type { Derived, Payload, Row } from './payload';

/**
 * `beside` is a further column: equations by the numbers of lines. Then a line's text stands above its equations, for
 * three columns are too wide for a page.
 */
export function sheet(rows: Row[], told: Payload, beside: Map<number, string[]> = new Map()): HTMLElement {
  const table = document.createElement('table');
  table.className = beside.size ? 'sq-sheet sq-two' : 'sq-sheet';
  const source = new Map(told.source);
  for (const row of rows) {
    const first = lineOf(table.createTBody(), row);
    first.insertCell().textContent = row.line ? String(row.line) : '';
    const text = first.insertCell();
    text.append(code(row, source.get(row.line), told));
    if (beside.size) {
      text.colSpan = 2;
      const second = lineOf(table.tBodies[table.tBodies.length - 1], row);
      second.insertCell();
      second.insertCell().append(...row.equations.map(equation));
      second.insertCell().append(...(beside.get(row.line) ?? []).map(equation));
    } else {
      first.insertCell().append(...row.equations.map(equation));
    }
  }
  return table;
}

/** A sheet with what is said once of all that is read up: conventions above it, below it how far it was checked. */
export function framed(table: HTMLElement, told: Derived): HTMLElement[] {
  const [head, foot] = ['sq-head', 'sq-foot'].map(name => {
    const part = document.createElement('div');
    part.className = name;
    return part;
  });
  head.append(...(told.head ?? []).map(equation));
  foot.textContent = told.foot ?? '';
  return [head, table, foot].filter(part => part.hasChildNodes());
}

function lineOf(body: HTMLTableSectionElement, row: Row): HTMLTableRowElement {
  const line = body.insertRow();
  line.dataset.line = String(row.line);
  return line;
}

function equation(text: string): HTMLElement {
  const element = document.createElement('div');
  element.append(cleanMath(text) ?? '');
  return element;
}

/** The text of a line, each state in it marked as its wires in the picture are. */
function code(row: Row, whole: string | undefined, told: Payload): HTMLElement {
  const element = document.createElement('code');
  if (!row.line || whole === undefined) {
    element.textContent = row.text;
    return element;
  }
  const places = Object.entries(told.states)
    .flatMap(([state, { places }]) => places.filter(([line]) => line === row.line).map(p => ({ state, at: p })))
    .sort((a, b) => a.at[1] - b.at[1]);
  let done = whole.length - whole.trimStart().length;
  for (const { state, at } of places) {
    if (at[1] >= done) {
      const name = document.createElement('span');
      name.dataset.value = state;
      name.textContent = whole.slice(at[1], at[2]);
      element.append(whole.slice(done, at[1]), name);
      done = at[2];
    }
  }
  element.append(whole.slice(done).trimEnd());
  return element;
}
