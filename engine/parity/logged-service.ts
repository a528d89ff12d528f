import type { ViewLayout } from '../define/view-layout.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { versions } from '../postgres/view-versions.ts';
import { scanServedReads, type ServedScanOptions } from '../served/scan-served-reads.ts';
import type { ServedRead } from '../served/served-read.ts';
import type { LayoutsOf } from './derived-records.ts';
import { HeldRequests } from './held-requests.ts';

/** Records of a service read at most, where nobody says. */
export const MOST_RECORDS = 10_000;

/** Where the log is read from. */
export type ServiceScan = Pick<
  ServedScanOptions,
  'reader' | 'topic' | 'signal' | 'onWait' | 'clock' | 'onProgress' | 'until'
>;

/** Which records of a service are asked for. */
export interface AskedRecords {
  readonly service: string;
  /** The views that it reads, or did. */
  readonly views: ReadonlySet<string>;
  readonly maxRecords?: number | undefined;
  /** What they and the reads beside them may take of the heap. */
  readonly maxBytes: number;
  /** Served in [sinceUs, untilUs), epoch µs. Default: whenever. */
  readonly sinceUs?: number | undefined;
  readonly untilUs?: number | undefined;
}

/** What the serving log has of a service. */
export interface LoggedService {
  /** What it was asked with, and derived: one for each entity of a request. */
  readonly records: readonly ServedRead[];
  /** The reads of its views that a record is made of, and perhaps others by the same request. */
  readonly readsOf: (record: ServedRead) => readonly ServedRead[];
  /** Records beyond the sample. */
  readonly leftOut: number;
}

/**
 * What the serving log has of a service: all of it, or a stable sample by the hash of the requests' ids.
 *
 * @throws MillraceError `topic-not-found` where nothing was ever logged, and what `scanServedReads` does
 */
export async function loggedService(
  scan: ServiceScan,
  { service, views, maxRecords = MOST_RECORDS, maxBytes, sinceUs = -Infinity, untilUs = Infinity }: AskedRecords,
): Promise<LoggedService> {
  const held = new HeldRequests({ maxRecords, maxBytes });
  for await (const batch of scanServedReads({ ...scan, views: new Set(), services: new Set([service]) })) {
    for (const record of batch) if (record.servedAtUs >= sinceUs && record.servedAtUs < untilUs) held.addRecord(record);
  }
  if (held.records.length > 0) {
    const requestIds = new Set(held.records.map(({ requestId }) => requestId));
    for await (const batch of scanServedReads({ ...scan, views, requestIds }))
      for (const read of batch) if (read.service === service) held.addRead(read);
  }
  const { records, leftOut } = held;
  return { records, readsOf: (record) => held.readsOf(record), leftOut };
}

/** The layouts of all versions of these views. */
export async function layoutsOf(on: Queryable, views: Iterable<string>): Promise<LayoutsOf> {
  const layouts = new Map<string, ReadonlyMap<string, ViewLayout>>();
  for (const view of views) {
    const all = await versions(on, view);
    layouts.set(view, new Map(all.map(({ fingerprint, layout }) => [fingerprint, layout])));
  }
  return (view) => layouts.get(view) ?? new Map();
}
