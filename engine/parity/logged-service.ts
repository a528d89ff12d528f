import type { ViewLayout } from '../define/view-layout.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { versions } from '../postgres/view-versions.ts';
import { scanServedReads, type ServedScanOptions } from '../served/scan-served-reads.ts';
import type { ServedRead } from '../served/served-read.ts';
import type { LayoutsOf } from './derived-records.ts';
import { hashOf, readBytes } from './served-sample.ts';

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
export async function loggedService(scan: ServiceScan, asked: AskedRecords): Promise<LoggedService> {
  const { service, views } = asked;
  const { records, leftOut } = await sampledRecords(scan, asked);
  const reads = new Map<string, ServedRead[]>();
  const readsOf = ({ requestId }: ServedRead): readonly ServedRead[] => reads.get(requestId) ?? [];
  if (records.length === 0) return { records, readsOf, leftOut };
  const requestIds = new Set(records.map(({ requestId }) => requestId));
  for await (const batch of scanServedReads({ ...scan, views, requestIds })) {
    for (const read of batch) {
      if (read.service !== service) continue;
      const own = reads.get(read.requestId);
      if (own === undefined) reads.set(read.requestId, [read]);
      else own.push(read);
    }
  }
  return { records, readsOf, leftOut };
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

/** What is too much is halved by the hash of the request's id; one request stays, however large. */
async function sampledRecords(
  scan: ServiceScan,
  { service, maxRecords = MOST_RECORDS, maxBytes, sinceUs = -Infinity, untilUs = Infinity }: AskedRecords,
): Promise<{ readonly records: readonly ServedRead[]; readonly leftOut: number }> {
  let records: ServedRead[] = [];
  let [smallest, below] = [2 ** 32, 2 ** 32];
  let bytes = 0;
  let leftOut = 0;
  const services = new Set([service]);
  for await (const batch of scanServedReads({ ...scan, views: new Set(), services })) {
    for (const record of batch) {
      if (record.servedAtUs < sinceUs || record.servedAtUs >= untilUs) continue;
      const hash = hashOf(record.requestId);
      if (hash >= below) {
        leftOut++;
        continue;
      }
      smallest = Math.min(smallest, hash);
      records.push(record);
      bytes += heldBytes(record);
      while (below > smallest + 1 && (records.length > maxRecords || bytes > maxBytes)) {
        below = Math.max(below / 2, smallest + 1);
        const kept = records.filter(({ requestId }) => hashOf(requestId) < below);
        leftOut += records.length - kept.length;
        records = kept;
        bytes = kept.reduce((sum, one) => sum + heldBytes(one), 0);
      }
    }
  }
  return { records, leftOut };
}

/** With the reads that it is made of, each taken for as large. */
function heldBytes(record: ServedRead): number {
  return readBytes(record) * 4;
}
