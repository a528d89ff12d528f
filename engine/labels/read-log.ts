import type { LogEvent, CompiledSource } from '../define/compiled-view.ts';
import { BatchLimit } from '../admission/batch-limit.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { listingsOfProcess } from '../history/history-listing.ts';
import { scanLog } from '../log/scan-log.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import type { RawRecord } from '../topic/log-reader.ts';
import { brokerTimestampUs } from '../topic/record-judge.ts';
import type { LabelCounts, LabelProgress, LabelScanOptions } from './label-scan.ts';

/** What reading one of the two logs takes. */
export interface LogRead {
  readonly options: LabelScanOptions;
  readonly duckdb: DuckDb;
  readonly counts: LabelCounts;
  readonly source: CompiledSource;
  readonly cut: Cut | null;
  readonly phase: LabelProgress['phase'];
}

/** A record that reached the label set. */
export interface HeardRecord {
  readonly event: LogEvent;
  /** When its record arrived, UTC epoch µs; of a row of the history, and of a record without a time, its own time. */
  readonly arrivedUs: number;
}

/** Up to where a source's log is read: as pinned, else to its present end. */
export async function cutOf(
  { reader, clock }: LabelScanOptions,
  { topic }: CompiledSource,
  pinned: Cut | null | undefined,
): Promise<Cut | null> {
  return pinned === undefined ? (topic === null ? null : await takeCut(reader, topic, clock)) : pinned;
}

/**
 * Reads a log whole. What breaks its contract, or what `take` gives reasons against, is invalid: counted and told, and too many stop the scan.
 *
 * @param take may push reasons why a record cannot be taken
 * @throws MillraceError `too-many-invalid-records`, and what `scanLog` throws
 */
export async function readLog(
  { options, duckdb, counts, source, cut, phase }: LogRead,
  take: (record: HeardRecord, reasons: string[]) => void,
): Promise<void> {
  const { pool, clock, reader, memory, signal, onWait, onProgress, onInvalid } = options;
  const limit = new BatchLimit(source, pool === undefined ? new Map() : await acceptedInvalid(pool, source.name));
  const refuse = (record: InvalidRecord): void => {
    counts.invalid++;
    onInvalid?.(record);
    limit.add(record);
  };
  const scan = scanLog({
    source,
    cut,
    reader,
    duckdb,
    listings: pool === undefined ? listingsOfProcess(clock) : storedListings(pool, clock),
    order: 'any',
    ...(memory === undefined ? {} : { memory }),
    signal,
    onWait,
    onProgress: ({ rows, totalRows }) => onProgress?.({ phase, done: rows, total: totalRows }),
    onInvalid: refuse,
  });
  const reasons: string[] = [];
  for await (const events of scan.batches()) {
    signal?.throwIfAborted();
    for (const [index, event] of events.entries()) {
      const record = scan.recordOf(index);
      take({ event, arrivedUs: arrivedUs(event, record) }, reasons);
      if (reasons.length === 0) continue;
      refuse(invalidRecord(source, event, record, [...reasons]));
      reasons.length = 0;
    }
  }
  counts.duplicates += scan.figures.counts.duplicates;
  limit.end(scan.figures.counts.records);
}

function arrivedUs(event: LogEvent, record: RawRecord | null): number {
  return (record === null ? null : brokerTimestampUs(record)) ?? event.eventTimeUs;
}

/** A valid record on which a function of the label set failed. */
function invalidRecord(
  { topic }: CompiledSource,
  { partition, offset, number }: Pick<LogEvent, 'partition' | 'offset' | 'number'>,
  record: RawRecord | null,
  reasons: readonly string[],
): InvalidRecord {
  return {
    topic: partition < 0 ? 'history' : (topic ?? ''),
    partition,
    offset,
    number,
    file: null,
    payload: record?.value ?? null,
    reasons,
    brokerTimestampUs: record === null ? null : brokerTimestampUs(record),
  };
}
