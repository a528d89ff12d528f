import type { JsonTree } from './json-values.ts';

/** Of a valid text: a string, a mark, or whatever stands between marks. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^[\]{},:"\s]+/g;

/**
 * `JSON.parse`, for texts whose keys come from outside. V8 (Node 24.21) reads a key that begins with an escape, `"\""`, as one that it met before
 * at the same place and that ends with a backslash, `"\\"`: of two categories it makes one. Without a backslash there is no such key; else the
 * objects are made here, each key read alone.
 *
 * @throws SyntaxError as `JSON.parse` does.
 * @example
 * parseJson('{"a":[1]}'); // { a: [1] }
 */
export function parseJson(text: string): JsonTree {
  const tree = JSON.parse(text) as JsonTree;
  if (typeof tree !== 'object' || tree === null || !text.includes('\\')) return tree;
  return new Objects(text.match(TOKENS) ?? []).next();
}

/** Puts the tokens of a valid text together. */
class Objects {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  next(): JsonTree {
    const token = this.#take();
    if (token === '[') return this.#list();
    return token === '{' ? this.#object() : (JSON.parse(token) as JsonTree);
  }

  #list(): JsonTree[] {
    const list: JsonTree[] = [];
    while (this.#isInside(']')) list.push(this.next());
    return list;
  }

  #object(): JsonTree {
    const entries: [string, JsonTree][] = [];
    while (this.#isInside('}')) {
      const key = JSON.parse(this.#take()) as string;
      this.#at++;
      entries.push([key, this.next()]);
    }
    // Own properties, `__proto__` too, as `JSON.parse` makes them.
    return Object.fromEntries(entries);
  }

  #take(): string {
    return this.#tokens[this.#at++]!;
  }

  /** Steps over a comma, or the end. */
  #isInside(end: string): boolean {
    const token = this.#tokens[this.#at]!;
    if (token === end || token === ',') this.#at++;
    return token !== end;
  }
}
