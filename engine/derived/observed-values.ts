import type { Cell } from '../values/cell.ts';
import type { Observation } from './derive-step.ts';

/** A value that derived functions see: by what name, and what they get of its cell where that is no error. */
export interface SeenValue {
  readonly name: string;
  readonly open: (cell: Exclude<Cell, object>) => unknown;
}

/**
 * What derived functions see of cells: an object with the value of each by name, which cannot be changed. It tells whether a value in error
 * was read of it, which reads null. One object serves all reads, one after the other: nothing is allocated for a read.
 */
export class ObservedValues {
  #cells: readonly Cell[] = [];
  readonly #values: readonly SeenValue[];
  readonly #observation: Observation;
  readonly #onRead: ((name: string) => void) | null;

  /**
   * @param values what stands in the first cells, in their order
   * @param observation told where a cell in error is read
   * @param onRead told of each value that is read
   */
  constructor(values: readonly SeenValue[], observation: Observation, onRead: ((name: string) => void) | null) {
    this.#values = values;
    this.#observation = observation;
    this.#onRead = onRead;
  }

  /** The cells that are seen from now on; there are at least as many as values. */
  see(cells: readonly Cell[]): void {
    this.#cells = cells;
  }

  /** The first `count` values by name, as an object of their own. */
  object(count: number): object {
    const seen: object = Object.create(null);
    for (const [index, { name, open }] of this.#values.slice(0, count).entries()) {
      const onRead = this.#onRead;
      const read = (): unknown => {
        const cell = this.#cells[index]!;
        if (typeof cell !== 'object' || cell === null) return open(cell);
        this.#observation.readError = true;
        return null;
      };
      const get =
        onRead === null
          ? read
          : (): unknown => {
              onRead(name);
              return read();
            };
      Object.defineProperty(seen, name, { get, enumerable: true });
    }
    return Object.freeze(seen);
  }

  /** The values that are seen now, for a log: of one in error its code. */
  told(count: number): Record<string, unknown> {
    return Object.fromEntries(
      this.#values.slice(0, count).map(({ name, open }, index) => {
        const cell = this.#cells[index]!;
        return [name, typeof cell !== 'object' || cell === null ? open(cell) : cell.code];
      }),
    );
  }
}
