import type { Output } from '../../cli/output.ts';

const EVERY_MS = 1_000;

/** What is going on, with the time since the start: also while nothing new is to be said. */
export class ProgressLine {
  readonly #output: Output;
  readonly #startedMs: number;
  readonly #timer: NodeJS.Timeout;
  #text = '';

  constructor(output: Output, startedMs: number) {
    this.#output = output;
    this.#startedMs = startedMs;
    this.#timer = setInterval(() => this.#show(), EVERY_MS);
  }

  now(text: string): void {
    this.#text = text;
    this.#show();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #show(): void {
    const seconds = Math.round((performance.now() - this.#startedMs) / 1000);
    this.#output.progress(`${String(seconds).padStart(3)} s · ${this.#text}`);
  }
}
