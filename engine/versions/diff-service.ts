import { shownIf } from '../define/sensitive-view.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { processMemory } from '../memory/process-memory.ts';
import { type DerivedRecord, DerivedRecords } from '../parity/derived-records.ts';
import { layoutsOf, type LoggedService, loggedService } from '../parity/logged-service.ts';
import { type Skipped, skip } from '../parity/served-sample.ts';
import { objectOf, type ServedRead } from '../served/served-read.ts';
import { type Cell, isCellError } from '../values/cell.ts';
import { cellJson } from '../values/cell-json.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { jsonEntity, type JsonValue } from '../values/json-values.ts';
import { FeatureTally } from './feature-tally.ts';
import type { ComparedDerived, RequestExample, ServiceDiff, ServiceDiffOptions } from './service-diff-types.ts';
import { type SharedFeatures, sharedFeatures } from './shared-features.ts';

const LEAST_MEMORY: MemoryAmount = { heap: 24 << 20, buffers: 0 };
const MORE_HEAP_BYTES = 256 << 20;

/**
 * What two versions of a service derive of the same reads and requests: those that the serving log has. Each derives by its own code of what its views served
 * then; the views are replayed by nobody. A record that either cannot be derived of is counted by its reason.
 *
 * @throws MillraceError `service-not-logged`, and what reading the log throws; the signal's reason
 * @example
 * const { features } = await diffService({ service: 'delay_model', ...sides, pool, scan: { reader, topic } });
 */
export async function diffService(options: ServiceDiffOptions): Promise<ServiceDiff> {
  const { service, scan, memory = processMemory() } = options;
  const waits = { signal: scan.signal, onWait: scan.onWait };
  const held = await memory.reserve(LEAST_MEMORY, `comparison of versions of ${service}`, waits);
  try {
    for (let more = MORE_HEAP_BYTES; more > 1 << 20 && !held.grow('heap', more); ) more /= 2;
    return await compared(options, await logged(options, held.heap));
  } finally {
    held.release();
  }
}

async function logged(options: ServiceDiffOptions, maxBytes: number): Promise<LoggedService> {
  const { service, before, after, scan, requests: maxRecords, sinceUs, untilUs } = options;
  const views = new Set([before, after].flatMap(({ code }) => code.blocks.map(({ view }) => view)));
  try {
    const found = await loggedService(scan, { service, views, maxRecords, maxBytes, sinceUs, untilUs });
    if (found.records.length > 0) return found;
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'topic-not-found') throw error;
  }
  const isBounded = sinceUs !== undefined || untilUs !== undefined;
  throw new MillraceError(
    'service-not-logged',
    `the serving log (${scan.topic}) has no request of service "${service}"${isBounded ? ' of that time' : ''}`,
    {
      remedy:
        'Have requests of the service logged ("servingLog" of its definition, or MILLRACE_SERVED_SAMPLE), and compare once there are some.',
      httpStatus: 404,
      details: { service, topic: scan.topic },
    },
  );
}

async function compared(options: ServiceDiffOptions, found: LoggedService): Promise<ServiceDiff> {
  const { service, before, after, pool, scan } = options;
  const views = new Set([before, after].flatMap(({ code }) => code.blocks.map(({ view }) => view)));
  const layouts = await layoutsOf(pool, views);
  const [older, newer] = [before, after].map(({ code }) => new DerivedRecords(service, code, layouts)) as [
    DerivedRecords,
    DerivedRecords,
  ];
  const shared = sharedFeatures(older.own, newer.own);
  const tallies = shared.features.map((one) => new DerivedTally(one));
  const shown = exampleOf(older, newer);
  const skipped: Skipped = {};
  const requests = new Set<string>();
  let [fromUs, untilUs, records] = [Infinity, -Infinity, 0];
  for (const record of found.records) {
    scan.signal?.throwIfAborted();
    const reads = found.readsOf(record);
    const then = older.derive(record, reads);
    const now = typeof then === 'string' ? then : newer.derive(record, reads);
    if (typeof then === 'string' || typeof now === 'string') {
      skip(skipped, now as string);
      continue;
    }
    records++;
    requests.add(record.requestId);
    fromUs = Math.min(fromUs, record.servedAtUs);
    untilUs = Math.max(untilUs, record.servedAtUs);
    for (const tally of tallies) tally.add(then, now, (a, b) => shown(tally, record, now, a, b));
  }
  const features = tallies.map((tally) => tally.result());
  return {
    service,
    before: { version: before.version, fingerprint: before.code.fingerprint },
    after: { version: after.version, fingerprint: after.code.fingerprint },
    servedFrom: records === 0 ? null : formatDateTime(fromUs),
    servedUntil: records === 0 ? null : formatDateTime(untilUs),
    requests: requests.size,
    records,
    isWhole: found.leftOut === 0,
    skipped: found.leftOut === 0 ? skipped : { ...skipped, 'beyond-the-sample': found.leftOut },
    cells: features.reduce((sum, { cells }) => sum + cells, 0),
    differing: features.reduce((sum, { differing }) => sum + differing, 0),
    features,
    onlyBefore: shared.onlyBefore,
    onlyAfter: shared.onlyAfter,
    retyped: shared.retyped,
  };
}

/** Counts how a derived feature differs, and what it is on each side. */
class DerivedTally {
  readonly feature: SharedFeatures['features'][number];
  readonly #tally: FeatureTally<RequestExample>;
  readonly #nulls = { before: 0, after: 0 };
  readonly #failed = { before: 0, after: 0 };

  constructor(feature: SharedFeatures['features'][number]) {
    this.feature = feature;
    this.#tally = new FeatureTally(feature.feature, feature.before, feature.after, { examples: 'largest' });
  }

  add(then: DerivedRecord, now: DerivedRecord, example: (before: Cell, after: Cell) => RequestExample): void {
    const [before, after] = [then.cells[this.feature.before]!, now.cells[this.feature.after]!];
    this.#count('before', before);
    this.#count('after', after);
    this.#tally.add(before, after, () => example(before, after));
  }

  #count(side: 'before' | 'after', cell: Cell): void {
    if (isCellError(cell)) this.#failed[side]++;
    else if (cell === null) this.#nulls[side]++;
  }

  /** What was logged is a sample of what is asked: no share is that of all. */
  result(): ComparedDerived {
    return { ...this.#tally.result(false), nulls: { ...this.#nulls }, failed: { ...this.#failed } };
  }
}

/** Makes an example as it may be shown: what either of the two says may tell of sensitive fields is hashed. */
function exampleOf(
  older: DerivedRecords,
  newer: DerivedRecords,
): (tally: DerivedTally, record: ServedRead, now: DerivedRecord, a: Cell, b: Cell) => RequestExample {
  const isHushed = older.isHushed || newer.isHushed;
  const shownAll = (values: Readonly<Record<string, JsonValue>>): Record<string, JsonValue> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shownIf(isHushed, value)]));
  return ({ feature: { feature } }, record, { key }, a, b) => {
    const cell = (value: Cell): RequestExample['before'] => {
      const json = cellJson(feature.result, value);
      return isCellError(value) ? json : shownIf(isHushed, json);
    };
    return {
      requestId: record.requestId,
      at: formatDateTime(record.asOfUs),
      entity: shownAll(jsonEntity(newer.own.keys, key)),
      request: shownAll(objectOf(record, 'request', record.requestJson ?? '{}')),
      before: cell(a),
      after: cell(b),
    };
  };
}
