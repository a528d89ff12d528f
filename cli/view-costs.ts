import { eventIdText } from '../engine/admission/event-id.ts';
import type { Row } from '../engine/contract/compiled-contract.ts';
import type { CompiledSource, Definitions, LogEvent } from '../engine/define/compiled-view.ts';
import { formatDuration } from '../engine/define/duration.ts';
import { eventTimeOf } from '../engine/define/event-time.ts';
import { type StateCost, stateCost } from '../engine/state/state-cost.ts';
import { count } from './output.ts';

/** Rows of a source that are kept to find costs by. */
const ROWS_KEPT = 1_000;

/** Keeps valid rows of each source that are looked at. */
export class SampledRows {
  readonly #rows = new Map<string, Row[]>();

  /** Takes a row, which may be written over afterwards. */
  readonly add = (source: string, row: Row): void => {
    const rows = this.#rows.get(source) ?? [];
    this.#rows.set(source, rows);
    if (rows.length < ROWS_KEPT) rows.push({ ...row });
  };

  /** Those of a source, by name. */
  readonly of = (source: string): readonly Row[] => this.#rows.get(source) ?? [];

  /** What each view costs, by name. */
  costs({ views }: Pick<Definitions, 'views'>): ReadonlyMap<string, StateCost> {
    const costs = new Map<string, StateCost>();
    for (const view of views.values()) {
      const events = (this.#rows.get(view.source.name) ?? []).map(eventOf(view.source));
      costs.set(view.name, stateCost(view, events, threadCpuUs));
    }
    return costs;
  }
}

function eventOf(source: CompiledSource): (row: Row, number: number) => LogEvent {
  const eventTime = eventTimeOf(source);
  return (row, number) => ({
    row,
    eventTimeUs: eventTime(row[source.eventTimeField]),
    id: source.eventIdField === null ? null : eventIdText(row[source.eventIdField]),
    partition: -1,
    offset: number,
    number,
  });
}

function threadCpuUs(): number {
  // Node 22 tells it of the process alone, in which little else goes on here.
  const { user, system } = Object.hasOwn(process, 'threadCpuUsage') ? process.threadCpuUsage() : process.cpuUsage();
  return user + system;
}

/** A view's costs, as a line. */
export function costText({ partials, groups, sampled, bytes, eventNs }: StateCost): string {
  const tiles = groups.map(({ hopUs, tiles: kept }) =>
    hopUs === null ? 'one of all time' : `${count(kept)} of ${formatDuration(hopUs)}`,
  );
  const shape = `${count(partials)} ${partials === 1 ? 'partial' : 'partials'}; tiles: ${tiles.join(', ')}`;
  if (bytes === null || eventNs === null) return shape;
  const stored = `${count(bytes.oneEvent)} bytes an entity with one event, ${count(bytes.everyTile)} with one in every tile`;
  return `${shape}; ${stored}; ${count(eventNs)} ns an event here (${count(sampled)} sampled)`;
}
