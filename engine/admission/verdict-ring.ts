import { MillraceError } from '../errors/millrace-error.ts';

/** A source's limit of invalid records: more than `rate` × `window` among `window` records in a row are too many. */
export interface InvalidLimit {
  readonly rate: number;
  readonly window: number;
}

/** Of so many records of a partition, more than half invalid is worth saying at once. */
const RECENT = 20;

/** How many of the last records a ring tells of. */
export function verdictsKept({ window }: InvalidLimit): number {
  return Math.max(window, RECENT);
}

/**
 * The verdicts of the last `window` records of a partition (of a history: by file and row): where the rule of too many invalid ones stands
 * (design §5). Invalid ones are held by their number, so that valid ones cost nothing, and with their offset, since it is offsets that are accepted. It is
 * stored with the partition's offset, and handed on from batch to stream.
 */
export class VerdictRing {
  readonly #limit: InvalidLimit;
  readonly #invalid: number[] = [];
  /** Of each of `#invalid`. */
  readonly #offsets: number[] = [];
  /** Records so far; those before a loaded ring do not count. */
  #passed = 0;

  /** @param packed As `pack` gave it; null: no record yet. Throws MillraceError `invalid-ring-corrupt`. */
  constructor(limit: InvalidLimit, packed: Uint8Array | null = null) {
    this.#limit = limit;
    if (packed !== null) this.#load(packed);
  }

  /** Passes a record that is valid, or whose being invalid was accepted. */
  valid(): void {
    this.#passed++;
  }

  /** Passes an invalid record of a greater offset than all before; true when it is one too many. */
  invalid(offset: number): boolean {
    return this.invalidAt(this.#passed, offset);
  }

  /** Passes valid ones up to the record of a number (from 0, rising as offsets do), which is invalid; true when it is one too many. */
  invalidAt(number: number, offset: number): boolean {
    const { rate, window } = this.#limit;
    this.#passed = number + 1;
    this.#invalid.push(number);
    this.#offsets.push(offset);
    this.#forget();
    return this.#inWindow() > rate * window;
  }

  /** Takes those before an offset for accepted: they no longer count. */
  accept(until: number): void {
    let accepted = 0;
    while (accepted < this.#offsets.length && this.#offsets[accepted]! < until) accepted++;
    this.#drop(accepted);
  }

  /** Passes valid ones until so many records have passed. */
  validUpTo(passed: number): void {
    this.#passed = Math.max(this.#passed, passed);
  }

  /** How many of the last `window` are invalid, and of how many. */
  get figures(): { readonly invalid: number; readonly of: number } {
    this.#forget();
    return { invalid: this.#inWindow(), of: Math.min(this.#passed, this.#limit.window) };
  }

  /** True when more than half of the last 20 are invalid; false before there are 20. */
  get isMostlyInvalid(): boolean {
    if (this.#passed < RECENT) return false;
    let recent = 0;
    for (let at = this.#invalid.length - 1; at >= 0 && this.#invalid[at]! >= this.#passed - RECENT; at--) recent++;
    return recent * 2 > RECENT;
  }

  /** Varints: how many records, then of each invalid one, from the oldest on, how far it lies behind the last record and its offset beyond the one before. */
  pack(): Uint8Array {
    const { of } = this.figures;
    const bytes: number[] = [];
    putVarint(bytes, Math.max(of, Math.min(this.#passed, RECENT)));
    for (const [at, number] of this.#invalid.entries()) {
      putVarint(bytes, this.#passed - 1 - number);
      putVarint(bytes, this.#offsets[at]! - (this.#offsets[at - 1] ?? 0));
    }
    return Uint8Array.from(bytes);
  }

  #inWindow(): number {
    const { window } = this.#limit;
    if (window >= RECENT) return this.#invalid.length;
    return this.#invalid.filter((number) => number >= this.#passed - window).length;
  }

  #forget(): void {
    const from = this.#passed - verdictsKept(this.#limit);
    let gone = 0;
    while (gone < this.#invalid.length && this.#invalid[gone]! < from) gone++;
    this.#drop(gone);
  }

  #drop(oldest: number): void {
    if (oldest === 0) return;
    this.#invalid.splice(0, oldest);
    this.#offsets.splice(0, oldest);
  }

  #load(packed: Uint8Array): void {
    const numbers = varints(packed);
    if (numbers.length % 2 === 0) throw corrupt();
    const passed = numbers[0]!;
    this.#passed = passed;
    for (let at = 1; at < numbers.length; at += 2) {
      const number = passed - 1 - numbers[at]!;
      if (number < 0 || number <= (this.#invalid.at(-1) ?? -1)) throw corrupt();
      this.#invalid.push(number);
      this.#offsets.push((this.#offsets.at(-1) ?? 0) + numbers[at + 1]!);
    }
    this.#forget();
  }
}

function putVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
}

function varints(packed: Uint8Array): number[] {
  const values: number[] = [];
  let value = 0;
  let weight = 1;
  for (const byte of packed) {
    value += (byte & 127) * weight;
    weight *= 128;
    if (byte >= 128) continue;
    values.push(value);
    value = 0;
    weight = 1;
  }
  if (weight !== 1 || values.some((each) => !Number.isSafeInteger(each))) throw corrupt();
  return values;
}

function corrupt(): MillraceError {
  return new MillraceError('invalid-ring-corrupt', 'the stored verdicts of a partition cannot be read', {
    remedy: 'The row in table stream_offset of the catalog was damaged: build the view anew (rebackfill).',
    httpStatus: 500,
  });
}
