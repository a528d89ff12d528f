import type pg from 'pg';
import type { DerivedCode, ServiceCode } from '../define/derived-code.ts';
import { isCodeNotAtHand } from '../define/known-code.ts';
import { shownIf } from '../define/sensitive-view.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { isDerivedBy, serviceNames, type ServiceVersion, serviceVersions } from '../postgres/service-versions.ts';
import type { ServedRead } from '../served/served-read.ts';
import { cellJson } from '../values/cell-json.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { jsonEntity } from '../values/json-values.ts';
import type { AuditOptions } from './audit-types.ts';
import { DerivedRecords, type LayoutsOf, type RecomputedRecord } from './derived-records.ts';
import type { UnnumberedDifference } from './diagnose-entity.ts';
import { layoutsOf, loggedService, type ServiceScan } from './logged-service.ts';
import { OTHER_DEFINITION, type Skipped, skip } from './served-sample.ts';

/** Versions of a service tried for what a client derived without saying by which code: what was imported stays in memory. */
const MOST_VERSIONS = 50;

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
  readonly scan: ServiceScan;
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
  const { pool, code, scan, skipped, maxBytes, maxDifferences, differences, figures, beyond } = run;
  const views = new Set(known.flatMap((version) => Object.keys(version.views)));
  const { records, readsOf, leftOut } = await loggedService(scan, { service, views, maxBytes });
  skip(skipped, 'beyond-the-sample', leftOut);
  if (records.length === 0) return;
  const codes = new ServiceCodes(service, known, code, await layoutsOf(pool, views));
  for (const record of records) {
    const found = await recomputed(codes, record, readsOf(record));
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

/**
 * What the code gives that a record says; of one that says none, that of the newest version that gives the very same. Where none does it is that of the newest,
 * once all were tried.
 */
async function recomputed(
  codes: ServiceCodes,
  record: ServedRead,
  reads: readonly ServedRead[],
): Promise<RecomputedRecord | string> {
  let closest: RecomputedRecord | string = OTHER_DEFINITION;
  let isAll = true;
  for await (const code of codes.of(record.fingerprint)) {
    if (code === null) {
      isAll = false;
      continue;
    }
    const found = code.recompute(record, reads);
    const isEqual =
      typeof found !== 'string' && found.expected.every((cell, index) => Object.is(cell, found.received[index]));
    if (isEqual) return found;
    if (typeof closest === 'string') closest = found;
  }
  return isAll ? closest : OTHER_DEFINITION;
}

/** The code of a service's versions, each asked for once, and only where those before it do not do. */
class ServiceCodes {
  readonly #service: string;
  readonly #versions: readonly ServiceVersion[];
  readonly #code: ServiceCode;
  readonly #layoutsOf: LayoutsOf;
  readonly #asked = new Map<string, readonly ServiceVersion[]>();
  readonly #known = new Map<number, DerivedRecords | null>();

  constructor(service: string, known: readonly ServiceVersion[], code: ServiceCode, layoutsOf: LayoutsOf) {
    this.#service = service;
    this.#versions = known.filter(({ derives, hasCode }) => derives && hasCode);
    this.#code = code;
    this.#layoutsOf = layoutsOf;
  }

  /** By what a record says that it was derived by, newest first; empty: nothing. Null stands for what it may be and is not to be had. */
  async *of(tag: string): AsyncGenerator<DerivedRecords | null> {
    const asked = this.#versionsBy(tag);
    for (const version of asked.slice(0, MOST_VERSIONS)) yield await this.#recordsOf(version);
    if (asked.length > MOST_VERSIONS) yield null;
  }

  #versionsBy(tag: string): readonly ServiceVersion[] {
    let asked = this.#asked.get(tag);
    if (asked === undefined) {
      asked = tag === '' ? this.#versions : this.#versions.filter((version) => isDerivedBy(version, tag)).slice(0, 1);
      this.#asked.set(tag, asked);
    }
    return asked;
  }

  async #recordsOf(version: ServiceVersion): Promise<DerivedRecords | null> {
    let found = this.#known.get(version.version);
    if (found === undefined) {
      const code = await this.#atHand(version);
      found = code && new DerivedRecords(this.#service, code, this.#layoutsOf);
      this.#known.set(version.version, found);
    }
    return found;
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
