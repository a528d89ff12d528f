import type { DecodeResult, Row } from '../contract/compiled-contract.ts';
import { topicGuard } from '../admission/time-guard.ts';
import { withinUntil } from '../admission/until.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { eventTimeOf } from '../define/event-time.ts';
import type { RawRecord } from './log-reader.ts';

/** What a record is by itself, before it is told from those that came twice (design §5). */
export type JudgedRecord =
  | { readonly kind: 'row'; readonly row: Row; readonly eventTimeUs: number }
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'outside-until' }
  | { readonly kind: 'invalid'; readonly reasons: readonly string[] };

const tombstone: JudgedRecord = { kind: 'tombstone' };
const outsideUntil: JudgedRecord = { kind: 'outside-until' };
const empty: JudgedRecord = {
  kind: 'invalid',
  reasons: ['the value is empty (zero bytes): expected a JSON object'],
};

/**
 * Judges records of a topic: contract → time guard → `until`. It knows neither those before nor the clock.
 *
 * @param decoded of the record's value, where that was decoded before
 * @example
 * recordJudge(source)(record); // { kind: 'invalid', reasons: ['delay: expected an integer, received "soon"'] }
 */
export function recordJudge(source: CompiledSource): (record: RawRecord, decoded?: DecodeResult) => JudgedRecord {
  const { contract, eventTimeField } = source;
  const guard = topicGuard(source);
  const timeOf = eventTimeOf(source);
  const within = withinUntil(source).topic;
  return (record, decoded) => {
    const { value } = record;
    if (value === null) return tombstone;
    if (value.length === 0) return empty;
    const result = decoded ?? contract.decodeJson(value);
    if (!result.ok) return { kind: 'invalid', reasons: result.reasons };
    const { row } = result;
    const eventTimeUs = timeOf(row[eventTimeField]);
    const fault = guard(eventTimeUs, brokerTimestampUs(record));
    if (fault !== null) return { kind: 'invalid', reasons: [fault] };
    return within(eventTimeUs) ? { kind: 'row', row, eventTimeUs } : outsideUntil;
  };
}

/** Kafka's own sign for none: -1 ms. */
const NO_TIMESTAMP_US = -1_000;

/** A record's broker timestamp, µs; null where it has none. */
export function brokerTimestampUs({ timestampUs }: Pick<RawRecord, 'timestampUs'>): number | null {
  return timestampUs === NO_TIMESTAMP_US ? null : timestampUs;
}
