/** Records per second over the last few seconds. */
export class RateMeter {
  readonly #spanMs: number;
  readonly #marks: { atMs: number; total: number }[] = [];

  constructor(spanMs = 5_000) {
    this.#spanMs = spanMs;
  }

  /** Notes that `total` records are done at `atMs` (monotonic) and returns the rate. */
  rate(total: number, atMs: number): number {
    this.#marks.push({ atMs, total });
    while (this.#marks.length > 2 && this.#marks[1]!.atMs <= atMs - this.#spanMs) this.#marks.shift();
    const first = this.#marks[0]!;
    return atMs > first.atMs ? ((total - first.total) * 1000) / (atMs - first.atMs) : 0;
  }
}
