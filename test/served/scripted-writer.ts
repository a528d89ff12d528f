import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { LogWriter, RecordToWrite } from '../../engine/topic/log-writer.ts';

/** What a send is to come to: taken, refused for good, Kafka away, away though it had been written, or never anything. */
export type Outcome = 'taken' | 'refused' | 'away' | 'written-but-away' | 'silent';

/** A log writer that does as it is told, and keeps what was written. */
export class ScriptedWriter implements LogWriter {
  readonly written: RecordToWrite[] = [];
  readonly sends: number[] = [];
  closed = false;
  /** What the next sends come to; after them `otherwise`. */
  script: Outcome[] = [];
  otherwise: Outcome = 'taken';
  #waiting: (() => void)[] = [];

  async send(_topic: string, records: readonly RecordToWrite[]): Promise<void> {
    this.sends.push(records.length);
    const outcome = this.script.shift() ?? this.otherwise;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    switch (outcome) {
      case 'written-but-away':
        this.written.push(...records);
        throw away();
      case 'away':
        throw away();
      case 'refused':
        throw new MillraceError('topic-not-found', 'no such topic', { remedy: 'Create it.' });
      case 'silent':
        return new Promise(() => undefined);
      case 'taken':
        this.written.push(...records);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  /** Resolves at the next send. */
  nextSend(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function away(): MillraceError {
  return new MillraceError('service-unreachable', 'Kafka is away', { remedy: 'Start it.', retryable: true });
}
