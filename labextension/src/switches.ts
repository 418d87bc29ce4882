/** The switches above a picture: what there is only one way to see has none. */

export interface Choice {
  view: string;
  fold: string;
  direction: string;
  theme: string;
}

type Part = keyof Choice;

const LABELS: Record<Part, string> = { view: 'View', fold: 'Macros', direction: 'Read', theme: 'Theme' };
const THEMES = ['auto', 'light', 'dark', 'chalkboard', 'colour-blind', 'print'];

const WAYS: Record<Exclude<Part, 'theme'>, string[]> = {
  view: ['chain', 'single', 'ghost', 'rolled'],
  fold: ['folded', 'asked', 'unfolded'],
  direction: ['forward', 'backward', 'both']
};

let groups = 0; // radio buttons belong together by a name that is theirs alone

/** One group of buttons for each part with several ways, a list for the theme; `changed` is told of each choice. */
export function switches(
  found: Record<Exclude<Part, 'theme'>, Set<string>>,
  chosen: Choice,
  changed: (choice: Choice) => void
): HTMLElement {
  const bar = document.createElement('div');
  bar.className = 'sq-switches';
  bar.setAttribute('role', 'group');
  bar.setAttribute('aria-label', 'How the program is seen');
  const choose = (part: Part, way: string) => {
    chosen[part] = way;
    changed(chosen);
  };
  for (const part of ['view', 'fold', 'direction'] as const) {
    const ways = WAYS[part].filter(way => found[part].has(way));
    if (ways.length > 1) {
      bar.append(buttons(part, ways, chosen[part], way => choose(part, way)));
    }
  }
  bar.append(list(chosen.theme, way => choose('theme', way)));
  return bar;
}

function buttons(part: Part, ways: string[], chosen: string, choose: (way: string) => void): HTMLElement {
  const group = document.createElement('fieldset');
  const legend = document.createElement('legend');
  legend.textContent = LABELS[part];
  group.append(legend);
  const name = `sq-switch-${groups++}`;
  for (const way of ways) {
    const label = document.createElement('label');
    const button = document.createElement('input');
    Object.assign(button, { type: 'radio', name, value: way, checked: way === chosen });
    keepKeys(button);
    button.addEventListener('change', () => choose(way));
    const text = document.createElement('span');
    text.textContent = way;
    label.append(button, text);
    group.append(label);
  }
  return group;
}

function list(chosen: string, choose: (way: string) => void): HTMLElement {
  const label = document.createElement('label');
  label.className = 'sq-theme';
  const select = document.createElement('select');
  select.append(...THEMES.map(way => new Option(way, way, way === chosen, way === chosen)));
  keepKeys(select);
  select.addEventListener('change', () => choose(select.value));
  label.append(`${LABELS.theme} `, select);
  return label;
}

/** Arrow keys choose here; without this the front end takes them as its own and leaves the cell. */
function keepKeys(control: HTMLElement): void {
  control.dataset.lmSuppressShortcuts = 'true';
}
