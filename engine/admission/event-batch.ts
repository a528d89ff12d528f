import type { LogEvent, Row } from '../define/compiled-view.ts';

/** A batch of events whose array and objects are used again for the next one. */
export class EventBatch {
  readonly events: LogEvent[] = [];
  readonly #pool: LogEvent[] = [];

  clear(): void {
    this.events.length = 0;
  }

  add(row: Row, eventTimeUs: number, id: string | null, partition: number, offset: number, number: number): void {
    const at = this.events.length;
    let event = this.#pool[at];
    if (event === undefined) {
      event = { row, eventTimeUs, id, partition, offset, number };
      this.#pool.push(event);
    } else {
      event.row = row;
      event.eventTimeUs = eventTimeUs;
      event.id = id;
      event.partition = partition;
      event.offset = offset;
      event.number = number;
    }
    this.events.push(event);
  }
}
