import type { CompiledSource } from '../define/compiled-view.ts';
import { likelyUnit } from '../values/epoch-time.ts';
import { UNIT_NAMES } from '../values/expected-words.ts';
import { formatDateTime } from '../values/iso-time.ts';

/** Why an event time is not believed, as dead letters say it; null where it is. Times are epoch µs. */
export type TopicGuard = (eventTimeUs: number, brokerTimestampUs: number | null) => string | null;

/** The same for a row of history, whose bound stands for all of its rows. */
export interface HistoryGuard {
  /** The latest event time that is believed, epoch µs; Infinity without a guard. What is later is invalid. */
  readonly boundUs: number;
  /** Why a later one is not, as dead letters say it. */
  reason(eventTimeUs: number): string;
}

/**
 * The time guard of a topic (design §5): an event time further ahead of its record's broker timestamp than `maxAhead` is invalid, and so is
 * a record that has no broker timestamp, unless the source says `brokerTime: 'none'`: then only those that have one are held against it. Some
 * producers write 0 for none.
 *
 * @example
 * topicGuard(source)(eventTimeUs, record.timestampUs); // null: believed
 */
export function topicGuard(source: CompiledSource): TopicGuard {
  const { eventTimeField, maxAheadUs, brokerTime } = source;
  if (maxAheadUs === Number.POSITIVE_INFINITY) return () => null;
  const missing = (which: string): string =>
    `${eventTimeField}: no-broker-timestamp: how far the event time lies ahead of the record's own timestamp cannot be told: it has none${which}; ` +
    "a source whose records have none says brokerTime: 'none'";
  return (eventTimeUs, brokerTimestampUs) => {
    if (brokerTimestampUs === null) {
      if (brokerTime === 'none') return null;
      return missing('');
    }
    const aheadUs = eventTimeUs - brokerTimestampUs;
    if (aheadUs <= maxAheadUs) return null;
    if (brokerTimestampUs === 0) return brokerTime === 'none' ? null : missing(' (it is 0)');
    return (
      `${eventTimeField}: ahead-of-broker-time: the event time lies ${seconds(aheadUs)} ahead of the record's own timestamp: ` +
      `expected at most ${seconds(maxAheadUs)}${otherUnit(brokerTimestampUs)}`
    );
  };
}

/** Of a record's own timestamp that is no time in Kafka's unit but would be one in another: which. */
function otherUnit(brokerTimestampUs: number): string {
  const unit = likelyUnit(brokerTimestampUs / 1000);
  if (unit === null || unit === 'ms') return '';
  return (
    `; that timestamp, ${brokerTimestampUs / 1000}, looks like ${UNIT_NAMES[unit]}, and Kafka's are milliseconds: correct the producer, ` +
    'or say maxAhead: false on the source'
  );
}

/**
 * The time guard of a history: no event time lies further ahead than `maxAhead` of the time its listing was first read at.
 *
 * @param firstReadAtUs G of design §5, epoch µs.
 */
export function historyGuard(source: CompiledSource, firstReadAtUs: number): HistoryGuard {
  const { eventTimeField, maxAheadUs } = source;
  return {
    boundUs: firstReadAtUs + maxAheadUs,
    reason: (eventTimeUs) =>
      `${eventTimeField}: ahead-of-history: the event time lies ${seconds(eventTimeUs - firstReadAtUs)} after these files were first read ` +
      `(${formatDateTime(firstReadAtUs)}): expected at most ${seconds(maxAheadUs)}`,
  };
}

function seconds(us: number): string {
  return `${us / 1_000_000} s`;
}
