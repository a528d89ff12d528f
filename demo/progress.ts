/** One progress line at all times: rewritten in place on a terminal, a plain line every few seconds elsewhere. */
export class ProgressLine {
  readonly #out: NodeJS.WriteStream;
  readonly #startedMs = performance.now();
  #current = '';
  #lastPlain = '';
  readonly #timer: NodeJS.Timeout;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
    this.#timer = setInterval(() => this.#tick(), out.isTTY ? 250 : 5_000);
    this.#timer.unref();
  }

  /** What is going on now; shown at the next tick. */
  update(text: string): void {
    this.#current = text;
    if (this.#out.isTTY) this.#tick();
  }

  /** A line that stays: a step that is done. */
  done(text: string): void {
    this.#clear();
    this.#out.write(`${this.#elapsed()}  ${text}\n`);
    this.#current = '';
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #tick(): void {
    if (this.#current === '') return;
    const line = `${this.#elapsed()}  ${this.#current}`;
    if (this.#out.isTTY) this.#out.write(`\r\u001b[2K${line.slice(0, (this.#out.columns ?? 120) - 1)}`);
    else if (line !== this.#lastPlain) this.#out.write(`${line}\n`);
    this.#lastPlain = line;
  }

  #clear(): void {
    if (this.#out.isTTY) this.#out.write('\r\u001b[2K');
  }

  #elapsed(): string {
    return `${((performance.now() - this.#startedMs) / 1000).toFixed(0).padStart(4)} s`;
  }
}
