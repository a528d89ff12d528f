const MOST_KINDS = 1_000;
const SHOWN = 3;
/** More than a reason of ours with all that was received; what a row function throws is the user's. */
const LONGEST_EXAMPLE = 1_000;

interface Kind {
  count: number;
  readonly example: string;
}

/** What invalid records suffer from, counted by kind: reasons that differ only in what was received, or in what is advised on it, are one. */
export class ReasonTally {
  readonly #kinds = new Map<string, Kind>();

  /** @param place Where the record lies, in words. */
  add(place: string, reasons: readonly string[]): void {
    for (const reason of reasons) {
      const kind = kindOfReason(reason);
      const known = this.#kinds.get(kind);
      if (known !== undefined) known.count++;
      else if (this.#kinds.size < MOST_KINDS)
        this.#kinds.set(kind, { count: 1, example: shortened(`${place}: ${reason}`) });
    }
  }

  /** The three commonest, each with its count and its first example; '' where there are none. */
  commonest(): string {
    const kinds = [...this.#kinds.values()].toSorted((a, b) => b.count - a.count).slice(0, SHOWN);
    return kinds.map(({ count, example }) => `${count} × ${example}`).join(' | ');
  }
}

/** The field, and what was expected of it; of what is said in other words, those without the numbers and texts in them. */
export function kindOfReason(reason: string): string {
  const colon = reason.indexOf(': ') + 1;
  const field = reason.slice(0, colon).replaceAll(/\[\d+\]/g, '[]');
  const words = reason.slice(colon);
  const received = words.indexOf(', received ');
  if (received < 0) return field + words.replaceAll(/"(?:[^"\\]|\\.)*"|'.'|\d+(?:[.:-]\d+)*/g, '#');
  // What is expected is the field's own, but for a column that has to be as the file's path says.
  return field + words.slice(0, received).replace(/expected .* as in/s, 'expected as in');
}

function shortened(text: string): string {
  return text.length > LONGEST_EXAMPLE ? `${text.slice(0, LONGEST_EXAMPLE)}…` : text;
}
