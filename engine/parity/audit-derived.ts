import type pg from 'pg';
import type { DerivedCode, ServiceCode } from '../define/derived-code.ts';
import { isCodeNotAtHand } from '../define/known-code.ts';
import { shownIf } from '../define/sensitive-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { isDerivedBy, serviceNames, type ServiceVersion, serviceVersions } from '../postgres/service-versions.ts';
import { versions } from '../postgres/view-versions.ts';
import { scanServedReads, type ServedScanOptions } from '../served/scan-served-reads.ts';
import type { ServedRead } from '../served/served-read.ts';
import { cellJson } from '../values/cell-json.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { jsonEntity } from '../values/json-values.ts';
import type { AuditOptions } from './audit-types.ts';
import { DerivedRecords, type LayoutsOf, type RecomputedRecord } from './derived-records.ts';
import type { UnnumberedDifference } from './diagnose-entity.ts';
import { hashOf, OTHER_DEFINITION, readBytes, type Skipped, skip } from './served-sample.ts';

/** Records of services compared at most, a stable sample of their requests. */
const MOST_RECORDS = 10_000;
/** Versions of a service tried for what a client derived without saying by which code. */
const MOST_VERSIONS = 5;

/** What bounds it, and who is told. */
export interface DerivedAuditBounds {
  /** What its records and reads may take of the heap. */
  readonly maxBytes: number;
  /** Those that are told are added to; so many are at most, and all are counted. */
  readonly differences: UnnumberedDifference[];
  readonly maxDifferences: number;
  readonly skipped: Skipped;
  /** What is compared is added to. */
  readonly figures: { reads: number; cellsCompared: number; cellsDiffering: number };
  readonly onProgress: (done: number, total: number) => void;
}

interface Run extends DerivedAuditBounds {
  readonly pool: pg.Pool;
  readonly code: ServiceCode;
  readonly scan: Pick<ServedScanOptions, 'reader' | 'topic' | 'signal' | 'onWait' | 'clock' | 'onProgress'>;
  /** Beyond those that are told. */
  readonly beyond: { differences: number };
}

/**
 * Derives once more, of the reads and requests in the serving log, what services derived whose first view by name is audited, and compares: each record by the code
 * that it names; one of a client that names none, by whichever version gives it.
 *
 * @returns how many differences there are beyond those told
 * @throws MillraceError what reading the log throws
 */
export async function auditDerived(options: AuditOptions, bounds: DerivedAuditBounds): Promise<number> {
  const { view, pool, reader, servedTopic, serviceCode: code, kind, signal, onWait, clock } = options;
  const beyond = { differences: 0 };
  if (code === undefined || kind === 'promotion' || servedTopic === null || reader === null) return 0;
  const scan = { reader, topic: servedTopic, signal, onWait, clock, onProgress: bounds.onProgress };
  for (const service of await serviceNames(pool)) {
    const known = await serviceVersions(pool, service);
    const [first] = Object.keys(known[0]?.views ?? {}).toSorted();
    if (first !== view || known.every(({ derives }) => !derives)) continue;
    try {
      await auditService({ ...bounds, pool, code, scan, beyond }, service, known);
    } catch (error) {
      // Nothing was ever logged.
      if (!isMillraceError(error) || error.code !== 'topic-not-found') throw error;
    }
  }
  return beyond.differences;
}

async function auditService(run: Run, service: string, known: readonly ServiceVersion[]): Promise<void> {
  const { pool, code, scan, skipped, maxDifferences, differences, figures, beyond } = run;
  const records = await sampledRecords(run, service);
  if (records.length === 0) return;
  const views = new Set(known.flatMap((version) => Object.keys(version.views)));
  const layouts = new Map<string, ReadonlyMap<string, ViewLayout>>();
  for (const view of views) {
    const all = await versions(pool, view);
    layouts.set(view, new Map(all.map(({ fingerprint, layout }) => [fingerprint, layout])));
  }
  const reads = new Map<string, ServedRead[]>();
  const requestIds = new Set(records.map(({ requestId }) => requestId));
  for await (const batch of scanServedReads({ ...scan, views, requestIds })) {
    for (const read of batch) {
      if (read.service !== service) continue;
      const own = reads.get(read.requestId);
      if (own === undefined) reads.set(read.requestId, [read]);
      else own.push(read);
    }
  }
  const codes = new ServiceCodes(service, known, code, (view) => layouts.get(view) ?? new Map());
  for (const record of records) {
    const found = await recomputed(codes, record, reads.get(record.requestId) ?? []);
    if (typeof found === 'string') {
      skip(skipped, found);
      continue;
    }
    const { own, received, expected } = found;
    const differing = own.features.flatMap((_, index) => (Object.is(received[index], expected[index]) ? [] : [index]));
    figures.reads++;
    figures.cellsCompared += own.features.length;
    figures.cellsDiffering += differing.length;
    if (differing.length === 0) continue;
    if (differences.length >= maxDifferences) beyond.differences++;
    else differences.push(differenceOf(service, record, found, differing));
  }
}

/** The records of a stable sample of a service's requests: what is too much is halved by the hash of the request's id. */
async function sampledRecords({ scan, maxBytes, skipped }: Run, service: string): Promise<ServedRead[]> {
  let records: ServedRead[] = [];
  let below = 2 ** 32;
  let bytes = 0;
  const services = new Set([service]);
  for await (const batch of scanServedReads({ ...scan, views: new Set(), services })) {
    for (const record of batch) {
      if (hashOf(record.requestId) >= below) {
        skip(skipped, 'beyond-the-sample');
        continue;
      }
      records.push(record);
      bytes += heldBytes(record);
      while (records.length > 1 && below > 1 && (records.length > MOST_RECORDS || bytes > maxBytes)) {
        below /= 2;
        const kept = records.filter(({ requestId }) => hashOf(requestId) < below);
        skip(skipped, 'beyond-the-sample', records.length - kept.length);
        records = kept;
        bytes = kept.reduce((sum, one) => sum + heldBytes(one), 0);
      }
    }
  }
  return records;
}

/** With the reads that it is made of, each taken for as large. */
function heldBytes(record: ServedRead): number {
  return readBytes(record) * 4;
}

/** What the code gives that a record says; of one that says none, that of the newest version that gives the very same, else of the newest. */
async function recomputed(
  codes: ServiceCodes,
  record: ServedRead,
  reads: readonly ServedRead[],
): Promise<RecomputedRecord | string> {
  let closest: RecomputedRecord | string = OTHER_DEFINITION;
  for (const code of await codes.of(record.fingerprint)) {
    const found = resultOf(code, record, reads);
    const isEqual =
      typeof found !== 'string' && found.expected.every((cell, index) => Object.is(cell, found.received[index]));
    if (isEqual) return found;
    if (typeof closest === 'string') closest = found;
  }
  return closest;
}

function resultOf(code: DerivedRecords, record: ServedRead, reads: readonly ServedRead[]): RecomputedRecord | string {
  try {
    return code.recompute(record, reads);
  } catch (error) {
    if (isMillraceError(error) && error.code === 'served-read-mismatch') return 'unreadable';
    throw error;
  }
}

/** The code of a service's versions, each asked for once. */
class ServiceCodes {
  readonly #service: string;
  readonly #versions: readonly ServiceVersion[];
  readonly #code: ServiceCode;
  readonly #layoutsOf: LayoutsOf;
  readonly #known = new Map<string, Promise<readonly DerivedRecords[]>>();

  constructor(service: string, known: readonly ServiceVersion[], code: ServiceCode, layoutsOf: LayoutsOf) {
    this.#service = service;
    this.#versions = known.filter(({ derives, hasCode }) => derives && hasCode);
    this.#code = code;
    this.#layoutsOf = layoutsOf;
  }

  /** By what a record says that it was derived by; empty: nothing. None where it is not kept. */
  of(tag: string): Promise<readonly DerivedRecords[]> {
    let found = this.#known.get(tag);
    if (found === undefined) this.#known.set(tag, (found = this.#load(tag)));
    return found;
  }

  async #load(tag: string): Promise<readonly DerivedRecords[]> {
    const asked =
      tag === ''
        ? this.#versions.slice(0, MOST_VERSIONS)
        : this.#versions.filter((version) => isDerivedBy(version, tag)).slice(0, 1);
    const codes: DerivedRecords[] = [];
    for (const version of asked) {
      const code = await this.#atHand(version);
      if (code !== null) codes.push(new DerivedRecords(this.#service, code, this.#layoutsOf));
    }
    return codes;
  }

  async #atHand(version: ServiceVersion): Promise<DerivedCode | null> {
    try {
      return await this.#code.derivedBy(version);
    } catch (error) {
      if (isCodeNotAtHand(error)) return null;
      throw error;
    }
  }
}

function differenceOf(
  service: string,
  { requestId, asOfUs, fingerprint }: ServedRead,
  { own, key, received, expected, isHushed }: RecomputedRecord,
  differing: readonly number[],
): UnnumberedDifference {
  const by = fingerprint === '' ? 'any version of it that is kept' : `its definition ${fingerprint.slice(0, 12)}`;
  return {
    entity: Object.fromEntries(
      Object.entries(jsonEntity(own.keys, key)).map(([name, value]) => [name, shownIf(isHushed, value)]),
    ),
    seq: null,
    asOf: formatDateTime(asOfUs),
    requestId,
    cause: 'definition-version',
    detail: `service "${service}" derived it by other code than ${by}: what it is made of is as it was logged`,
    cells: differing.map((index) => {
      const { name, result } = own.features[index]!;
      return {
        feature: `${service}__${name}`,
        expected: shownIf(isHushed, cellJson(result, expected[index]!)),
        received: shownIf(isHushed, cellJson(result, received[index]!)),
      };
    }),
    records: [],
  };
}
