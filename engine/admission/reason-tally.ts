const MOST_KINDS = 1_000;
const SHOWN = 3;
const LONGEST_EXAMPLE = 300;

interface Kind {
  count: number;
  readonly example: string;
}

/** What invalid records suffer from, counted by kind: reasons that differ only in what was received are one. */
export class ReasonTally {
  readonly #kinds = new Map<string, Kind>();

  /** @param place Where the record lies, in words. */
  add(place: string, reasons: readonly string[]): void {
    for (const reason of reasons) {
      const kind = kindOf(reason);
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

function kindOf(reason: string): string {
  return reason.replace(/, received .*$/s, '').replaceAll(/\d+(?:[.:]\d+)*/g, '#');
}

function shortened(text: string): string {
  return text.length > LONGEST_EXAMPLE ? `${text.slice(0, LONGEST_EXAMPLE)}…` : text;
}
