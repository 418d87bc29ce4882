// @ts-check
/**
 * The reader of table.json, as `sqmagic/notebook/tokens.py` is: the same rows in the same order, so the same colours.
 * Plain JavaScript, because a test runs it as it stands.
 */

/** @typedef {{magic: string, kinds: string[], modes: Record<string, string[][]>}} Table rows are kind, pattern, next mode */
/** @typedef {{head: boolean, proof: boolean}} Place what a line leaves for the next */

/** @param {Table} table */
export function reader(table) {
  const modes = new Map(
    Object.entries(table.modes).map(([mode, rows]) => [
      mode,
      rows.map(([kind, pattern, then]) => ({ kind, pattern: new RegExp(pattern, 'uy'), then }))
    ])
  );

  /**
   * The mode in which a line is read, and what it leaves for the next.
   * @param {string} line
   * @param {Place} before
   * @returns {{place: Place, mode: string}}
   */
  function opened(line, before) {
    const bare = line.trimStart();
    if (before.head && bare.startsWith('%%')) {
      return { place: { head: true, proof: bare.startsWith('%%seqproof') }, mode: 'head' };
    }
    return { place: { head: before.head && bare === '', proof: before.proof }, mode: before.proof ? 'proof' : 'line' };
  }

  /**
   * What stands at a place of a line, and where it ends; `stack` are the modes, the innermost last, and changes.
   * @param {string} line
   * @param {number} at
   * @param {string[]} stack
   * @returns {{kind: string, stop: number}}
   */
  function next(line, at, stack) {
    for (const { kind, pattern, then } of modes.get(stack[stack.length - 1]) ?? []) {
      pattern.lastIndex = at;
      if (pattern.test(line)) {
        const stop = pattern.lastIndex;
        moved(stack, then);
        return { kind, stop };
      }
    }
    return { kind: 'error', stop: at + 1 };
  }

  /**
   * @param {string} text
   * @returns {[string, string][]} each piece of the text and its kind
   */
  function tokens(text) {
    /** @type {[string, string][]} */
    const found = [];
    let place = { head: true, proof: false };
    for (const line of text.split('\n')) {
      const begun = opened(line, place);
      const stack = [begun.mode];
      place = begun.place;
      for (let at = 0; at < line.length; ) {
        const { kind, stop } = next(line, at, stack);
        if (kind && stop > at) {
          found.push([line.slice(at, stop), kind]);
        }
        at = stop;
      }
    }
    return found;
  }

  return { opened, next, tokens };
}

/**
 * Enters or leaves modes; the outermost is never left.
 * @param {string[]} stack
 * @param {string} then
 */
function moved(stack, then) {
  if (then === '-') {
    if (stack.length > 1) {
      stack.pop();
    }
  } else if (then.startsWith('+')) {
    stack.push(then.slice(1));
  } else if (then) {
    stack[stack.length - 1] = then;
  }
}
