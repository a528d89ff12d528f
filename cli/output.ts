import Table from 'cli-table3';
import type { MillraceError } from '../engine/errors/millrace-error.ts';

const PLAIN_EVERY_MS = 2_000;

/**
 * What a command says: results on standard output (tables for people, one JSON value for machines), progress and errors on
 * standard error. On a terminal progress is one line that is rewritten; elsewhere a plain line at most every two seconds.
 */
export class Output {
  readonly isJson: boolean;
  #isLineOpen = false;
  #last = '';
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly json?: boolean | undefined } = {}) {
    this.isJson = options.json ?? false;
  }

  /** The result, for machines. */
  json(value: unknown): void {
    this.#closeLine();
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** A line of the result, for people; nothing with `--json`. */
  line(text = ''): void {
    if (this.isJson) return;
    this.#closeLine();
    process.stdout.write(`${text}\n`);
  }

  table(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): void {
    if (this.isJson) return;
    const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
    for (const row of rows) table.push(row.map((cell) => cell ?? ''));
    this.line(table.toString());
  }

  /** What is going on now. */
  progress(text: string): void {
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\u001b[2K${text.slice(0, (process.stderr.columns ?? 120) - 1)}`);
      this.#isLineOpen = true;
      return;
    }
    const nowMs = performance.now();
    if (text === this.#last || nowMs - this.#lastMs < PLAIN_EVERY_MS) return;
    this.#last = text;
    this.#lastMs = nowMs;
    process.stderr.write(`${text}\n`);
  }

  /** A step that is done, or a remark; stays. */
  note(text: string): void {
    this.#closeLine();
    process.stderr.write(`${text}\n`);
  }

  /** What went wrong and what to do. */
  error(error: MillraceError): void {
    const { code, message, remedy, details } = error;
    if (this.isJson) this.json({ error: { code, message, remedy, details } });
    this.failure(error);
  }

  /** The same of a command that has given its result all the same: nothing on standard output. */
  failure({ code, message, remedy }: MillraceError): void {
    this.#closeLine();
    process.stderr.write(`error ${code}: ${message}\n  ${remedy.replaceAll('\n', '\n  ')}\n`);
  }

  /** Ends a progress line, so that what follows begins on its own. */
  end(): void {
    this.#closeLine();
  }

  #closeLine(): void {
    if (!this.#isLineOpen) return;
    process.stderr.write('\r\u001b[2K');
    this.#isLineOpen = false;
  }
}

/** 1234567 → "1,234,567"; null → "". */
export function count(value: number | null): string {
  return value === null ? '' : value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** Epoch µs → "2026-06-01T00:00:00.000000Z", the form of datetimes in JSON. */
export function isoMicros(atUs: number): string {
  const ms = Math.floor(atUs / 1000);
  const micros = String(atUs - ms * 1000).padStart(3, '0');
  return new Date(ms).toISOString().replace('Z', `${micros}Z`);
}
