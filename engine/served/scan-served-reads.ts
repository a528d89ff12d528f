import { type Clock, systemClock } from '../values/clock.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import { TopicScan } from '../topic/topic-scan.ts';
import { LoggedRead, type ServedRead } from './served-read.ts';
import { servedSource } from './served-source.ts';

const NONE: ReadonlySet<string> = new Set();

export interface ServedScanOptions {
  /** `withArchive(...)` for all that was ever logged, Kafka's own for what the topic still holds. */
  readonly reader: LogReader;
  readonly topic: string;
  /** Reads of these views only. */
  readonly views?: ReadonlySet<string> | undefined;
  /** What these services were asked with, and derived, as well. Default: of none. */
  readonly services?: ReadonlySet<string> | undefined;
  /** Reads of these requests only. */
  readonly requestIds?: ReadonlySet<string> | undefined;
  /** How far the log is read. Default: its present end. */
  readonly until?: Cut | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what the read waits for where that lasts, and null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly onProgress?: ((records: number, totalRecords: number) => void) | undefined;
  /** Told of records that break the contract of the serving log. */
  readonly onInvalid?: ((record: InvalidRecord) => void) | undefined;
}

/** The served reads of a log, in batches; reads of one entity are in the order they were served by one process. */
export interface ServedScan extends AsyncIterable<ServedRead[]> {
  /** What became of the records, final once the scan has ended: `records`, `duplicates`, `invalid`, `tombstones`; `applied` were given. */
  readonly counts: Readonly<LogCounts>;
}

/**
 * Reads the serving log: each read once, from the first offset held up to `until`.
 *
 * @throws MillraceError (while iterating) `topic-not-found`, `offsets-gone`, `topic-recreated`, and what the reader throws.
 * @example
 * for await (const reads of scanServedReads({ reader, topic, views: new Set(['route_delays']) })) compare(reads);
 */
export function scanServedReads(options: ServedScanOptions): ServedScan {
  const counts = emptyCounts();
  return { counts, [Symbol.asyncIterator]: () => reads(options, counts) };
}

async function* reads(options: ServedScanOptions, counts: LogCounts): AsyncGenerator<ServedRead[]> {
  const { reader, topic, views, services, requestIds, signal, onWait, onProgress } = options;
  Object.assign(counts, emptyCounts());
  const cut = options.until ?? (await takeCut(reader, topic, options.clock ?? systemClock));
  const onInvalid = options.onInvalid ?? (() => undefined);
  const source = servedSource(topic);
  const scan = new TopicScan({ source, topic, cut, reader, signal, onWait, onProgress, onInvalid }, null);
  let batch: ServedRead[] = [];
  const accept = ({ row }: { readonly row: Readonly<Record<string, unknown>> }): void => {
    // A service's own record has its name where others have that of a view.
    const wanted = (row['request'] ?? null) === null ? views : (services ?? NONE);
    if (wanted !== undefined && !wanted.has(row['view'] as string)) return;
    if (requestIds !== undefined && !requestIds.has(row['request_id'] as string)) return;
    batch.push(new LoggedRead(row));
  };
  try {
    for await (const _ of scan.batches(accept)) {
      if (batch.length === 0) continue;
      counts.applied += batch.length;
      yield batch;
      batch = [];
    }
    for (const { counts: own } of scan.figures()) addCounts(counts, own);
  } finally {
    scan.release();
  }
}
