/** What `sqmagic/board/payload.py` writes, and how it is read. */

export const MIME = 'application/vnd.seqnet+json';
const VERSION = 1;

/** A line's number from 1, the first column from 0, the column after the last. */
export type Place = [number, number, number];

/** `line` is 0 where a rule made the equations; these are MathML. */
export interface Row {
  line: number;
  text: string;
  equations: string[];
}

export interface State {
  colour: string;
  places: Place[];
}

/** Pictures by `view/fold`, each SVG, gzip, base64. */
export interface Direction {
  sheet: Row[];
  pictures: Record<string, string>;
}

/** What is read up: conventions as MathML, and how far it was checked; outputs of earlier versions have neither. */
export interface Derived extends Direction {
  head?: string[];
  foot?: string;
}

export interface Payload extends Direction {
  version: number;
  title: string;
  prose: string;
  /** The key of the picture that the output holds as image/svg+xml. */
  shown: string;
  theme: string;
  source: [number, string][];
  states: Record<string, State>;
  backward?: Derived;
}

/** The payload, or null where it is of a version that is not ours to read. */
export function payload(data: unknown): Payload | null {
  const told = data as Payload | null;
  const known = told && told.version === VERSION && Array.isArray(told.sheet) && Array.isArray(told.source);
  return known && typeof told.pictures === 'object' && typeof told.states === 'object' ? told : null;
}

/** The text of a packed picture. */
export async function unpacked(packed: string): Promise<string> {
  const bytes = Uint8Array.from(atob(packed), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).text();
}
