/** A program's output: its picture and its sheet side by side, lighting each other up, with switches. */

import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

import { cleanSvg } from './clean';
import { editorOf, lightSource } from './lit';
import { Direction, MIME, Payload, Place, payload, unpacked } from './payload';
import { framed, sheet } from './sheet';
import { Choice, switches } from './switches';

class SeqnetOutput extends Widget implements IRenderMime.IRenderer {
  private told: Payload | null = null;
  private svg = '';
  private readonly picture = element('div', 'sq-picture');
  private readonly equations = element('div', 'sq-equations');
  private asked = 0;

  constructor() {
    super();
    this.addClass('sq-view');
    for (const [part, label] of [
      [this.picture, 'Picture'],
      [this.equations, 'Equations']
    ] as const) {
      part.setAttribute('role', 'region');
      part.setAttribute('aria-label', label);
    }
    this.equations.tabIndex = 0; // it scrolls where it is too wide
    this.equations.dataset.lmSuppressShortcuts = 'true';
    this.node.addEventListener('mouseover', event => this.point(event.target as Element));
    this.node.addEventListener('mouseleave', () => this.light([], []));
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.told = payload(model.data[MIME]);
    this.svg = text(model.data['image/svg+xml']);
    this.node.textContent = '';
    if (!this.told) {
      this.node.append(element('pre', 'sq-plain', text(model.data['text/plain'])));
      return;
    }
    const [view, fold] = this.told.shown.split('/');
    const choice: Choice = { view, fold, direction: this.told.backward ? 'both' : 'forward', theme: this.told.theme };
    const both = element('div', 'sq-both');
    both.append(this.picture, this.equations);
    this.node.append(switches(found(this.told), choice, now => void this.see(now)), both);
    await this.see(choice);
  }

  private async see(choice: Choice): Promise<void> {
    const told = this.told as Payload;
    const direction: Direction = choice.direction === 'backward' && told.backward ? told.backward : told;
    const number = ++this.asked;
    const key = `${choice.view}/${choice.fold}`;
    const packed = direction.pictures[key] ?? told.pictures[key]; // reading up may have no pictures of its own
    const svg = packed ? await unpacked(packed) : this.svg;
    if (number !== this.asked) {
      return; // something else was asked for in the meantime
    }
    this.picture.dataset.theme = choice.theme;
    const drawn = svg ? cleanSvg(svg) : null;
    if (drawn) {
      this.lines(drawn);
      this.picture.style.setProperty('--drawn', `${parseFloat(drawn.getAttribute('width') ?? '') || 600}px`);
      this.picture.replaceChildren(drawn);
    } else {
      this.picture.replaceChildren(element('p', '', told.prose));
    }
    if (this.equations.dataset.direction !== choice.direction) {
      this.equations.dataset.direction = choice.direction;
      const up = new Map((told.backward?.sheet ?? []).map(row => [row.line, row.equations]));
      const table = sheet(direction.sheet, told, choice.direction === 'both' ? up : undefined);
      const derived = choice.direction === 'forward' ? undefined : told.backward;
      this.equations.replaceChildren(...(derived ? framed(table, derived) : [table]));
    }
    this.colour();
  }

  /** Each part of the picture is told the numbers of the lines that its title quotes. */
  private lines(drawn: Element): void {
    const source = (this.told as Payload).source;
    for (const title of Array.from(drawn.querySelectorAll('g > title'))) {
      const quoted = new Set((title.textContent ?? '').split('\n').map(line => line.trim()));
      const numbers = source.filter(([, line]) => quoted.has(line.trim())).map(([number]) => number);
      if (numbers.length) {
        (title.parentElement as Element).setAttribute('data-lines', numbers.join(' '));
      }
    }
  }

  /** A state has one colour in the picture and in the sheet. */
  private colour(): void {
    const states = (this.told as Payload).states;
    for (const marked of Array.from(this.node.querySelectorAll<HTMLElement>('[data-value]'))) {
      const colour = states[marked.dataset.value ?? '']?.colour;
      if (colour && /^(s\d+|border)$/.test(colour)) {
        marked.style.setProperty('--own', `var(--${colour})`);
      }
    }
  }

  private point(target: Element): void {
    const state = target.closest<HTMLElement>('[data-value]')?.dataset.value;
    if (state !== undefined && this.node.contains(target)) {
      this.light([state], []);
      return;
    }
    const line = target.closest<HTMLElement>('[data-line], [data-lines]')?.dataset;
    const numbers = (line?.line ?? line?.lines ?? '').split(' ').map(Number);
    this.light([], numbers.filter(Boolean));
  }

  /** Lights up these states and lines, and nothing else, in the picture, in the sheet and in the cell's text. */
  private light(states: string[], lines: number[]): void {
    for (const marked of Array.from(this.node.querySelectorAll<HTMLElement>('[data-value], [data-line], [data-lines]'))) {
      const { value, line, lines: several } = marked.dataset;
      const own = (line ?? several ?? '').split(' ').map(Number);
      const lit = (value !== undefined && states.includes(value)) || own.some(number => lines.includes(number));
      marked.classList.toggle('sq-lit', lit);
    }
    const editor = this.told && editorOf(this.node);
    if (this.told && editor) {
      const known = this.told.states;
      const places: Place[] = states.flatMap(state => known[state]?.places ?? []);
      lightSource(editor, places, lines, new Map(this.told.source));
    }
  }
}

/** The ways in which there is something to see. */
function found(told: Payload): Record<'view' | 'fold' | 'direction', Set<string>> {
  const keys = [told.shown, ...Object.keys(told.pictures)].map(key => key.split('/'));
  return {
    view: new Set(keys.map(([view]) => view)),
    fold: new Set(keys.map(([, fold]) => fold)),
    direction: new Set(told.backward ? ['forward', 'backward', 'both'] : ['forward'])
  };
}

function element(tag: string, name: string, inside = ''): HTMLElement {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = inside;
  return made;
}

function text(data: unknown): string {
  return Array.isArray(data) ? data.join('') : typeof data === 'string' ? data : '';
}

/** Safe: whatever it is given is cleaned, so it serves in notebooks that nobody has trusted too. */
export const factory: IRenderMime.IRendererFactory = {
  safe: true,
  mimeTypes: [MIME],
  createRenderer: () => new SeqnetOutput()
};
