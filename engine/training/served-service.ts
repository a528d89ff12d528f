import type { ServiceBlock } from '../define/compiled-view.ts';
import { type DerivedCode, derivedCodeOf } from '../define/derived-code.ts';
import { isCodeNotAtHand } from '../define/known-code.ts';
import { blockText, columnsByKey } from '../define/service-blocks.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { invariant, MillraceError } from '../errors/millrace-error.ts';
import { isDerivedBy, type ServiceVersion, serviceVersions } from '../postgres/service-versions.ts';
import { versions } from '../postgres/view-versions.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { derivedBlock } from './feature-columns.ts';
import { derivedLayout } from '../served/service-to-log.ts';
import type { LabelColumn } from './label-columns.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import { type PublishedTime, publishedTimes } from './published-times.ts';
import type { ReadContext } from './reading.ts';
import { lackingFeatures } from './served-definitions.ts';
import { databaseNow, labelsWithin, otherVersion, poolOf } from './served-plan.ts';
import { serviceTimes } from './service-times.ts';
import { READ_TABLE } from './spine-columns.ts';
import { LABELS_TABLE, type TimeRange } from './spine-labels.ts';
import type { ManifestServedService, ManifestServiceVersion } from './training-types.ts';

/** One version of a service that label rows fall to, with what it derived by; null: nothing. */
export interface ServedServiceVersion extends ManifestServiceVersion {
  readonly code: DerivedCode | null;
}

/** Which versions of a service derived at the labels' times. */
export interface ServedServicePlan {
  /** Oldest first; their times do not overlap. */
  readonly versions: readonly ServedServiceVersion[];
  /** By view, features that functions of then saw and that its present definition has no more. */
  readonly alsoRead: ReadonlyMap<string, readonly FeatureLayout[]>;
}

/** A version that cannot be run over the label rows of its time, and why. */
interface Unrunnable {
  readonly version: ManifestServiceVersion;
  readonly reason: string;
}

/**
 * Finds which version of the service was served at the labels' times, with its own code.
 *
 * @param spine what it has of requests, and what else
 * @throws MillraceError `definition-changed` where a version's code is not to be had, or saw what is not there now; `training-set-changed`
 */
export async function planServedService(
  context: ReadContext,
  spine: Pick<PreparedSpine, 'given' | 'columns'>,
): Promise<ServedServicePlan> {
  const { options } = context;
  const { service } = options;
  const stored = await serviceVersions(poolOf(context), service.name);
  const pinned = options.repeatOf?.derived?.served?.versions;
  const times = pinned === undefined ? await timesOf(context, stored) : pinnedTimes(service.name, stored, pinned);
  const alsoRead = new Map<string, FeatureLayout[]>();
  const found: ServedServiceVersion[] = [];
  const unrunnable: Unrunnable[] = [];
  for (const { of, ...version } of times) {
    const code = await codeOf(context, of);
    const reason =
      typeof code === 'string'
        ? code
        : code && (blockMisfit(service.blocks, code) ?? (await requestMisfit(context, code, spine, version)));
    if (typeof code === 'string' || reason !== null) {
      unrunnable.push({ version, reason: String(reason) });
      continue;
    }
    if (code !== null) addLacking(alsoRead, service.blocks, code);
    const then = { features: (code?.derived ?? []).map(derivedLayout) };
    const lacking = lackingFeatures(then, derivedBlock(service).view.layout);
    found.push({ ...version, ...(lacking.length === 0 ? {} : { notServed: lacking }), code });
  }
  if (unrunnable.length > 0) throw notRunnable(service.name, unrunnable);
  return { versions: found, alsoRead };
}

/** What the manifest says of it. @param rows all label rows */
export function manifestOf({ versions: served }: ServedServicePlan, rows: number): ManifestServedService {
  return {
    rowsNotServed: rows - served.reduce((sum, version) => sum + version.rows, 0),
    versions: served.map(({ code: _code, ...version }) => version),
  };
}

interface Time extends ManifestServiceVersion {
  readonly of: ServiceVersion;
}

/** The versions that label rows fall to. */
async function timesOf(context: ReadContext, stored: readonly ServiceVersion[]): Promise<Time[]> {
  const pool = poolOf(context);
  const nowUs = await databaseNow(pool);
  const published = new Map<string, readonly PublishedTime[]>();
  for (const view of new Set(stored.flatMap((version) => Object.keys(version.views))))
    published.set(view, publishedTimes(await versions(pool, view), nowUs));
  const times: Time[] = [];
  for (const { version: of, ...range } of serviceTimes(stored, published)) {
    const { rows } = await labelsWithin(context.duckdb, range);
    if (rows > 0) times.push({ version: of.version, tag: of.tag, ...range, rows, of });
  }
  return times;
}

function pinnedTimes(
  service: string,
  stored: readonly ServiceVersion[],
  pinned: readonly ManifestServiceVersion[],
): Time[] {
  return pinned.map(({ notServed: _notServed, ...version }) => {
    const of = stored.find((candidate) => candidate.version === version.version);
    if (of?.tag === version.tag) return { ...version, of };
    throw otherVersion(`version ${version.version} of service "${service}"`, of);
  });
}

/** What a version derived by, null where it derived nothing; or why that is not to be had. */
async function codeOf({ options }: ReadContext, version: ServiceVersion): Promise<DerivedCode | null | string> {
  const { service, serviceCode } = options;
  if (!version.derives) return null;
  try {
    if (serviceCode !== undefined) return await serviceCode.derivedBy(version);
  } catch (error) {
    if (!isCodeNotAtHand(error)) throw error;
  }
  // It may be of what is at hand all the same.
  const { derivedTag } = service;
  if (derivedTag !== undefined && isDerivedBy(version, derivedTag)) return derivedCodeOf(service);
  return serviceCode === undefined ? 'its code is not at hand' : 'its code was not kept';
}

/** Which block that functions saw is not there now; null: all are. */
function blockMisfit(blocks: readonly ServiceBlock[], code: DerivedCode): string | null {
  for (const seen of code.blocks) {
    if (blockFor(blocks, seen) !== undefined) continue;
    const by = Object.values(seen.columns).join(', ');
    return `it derived of ${blockText({ name: seen.name, view: { name: seen.view } })} by ${by}, which the present definition does not have`;
  }
  return null;
}

/** What of its request the rows of its time are not read for; null: all of it is. */
async function requestMisfit(
  { duckdb }: ReadContext,
  code: DerivedCode,
  { given, columns }: Pick<PreparedSpine, 'given' | 'columns'>,
  time: TimeRange,
): Promise<string | null> {
  for (const { spec } of code.request) {
    const { name, type, optional, nullable } = spec;
    const column = given.find((one) => one.column.name === name);
    const isRead =
      column === undefined
        ? optional && !columns.some((one) => one.name === name)
        : canonicalJson(column.type) === canonicalJson(type);
    if (!isRead) return `it asked for "${name}" (${type.kind}), which the present definition does not ask for so`;
    if (column?.nullable === undefined || optional || nullable) continue;
    const rows = await rowsWithout(duckdb, column, time);
    if (rows > 0) return `it took no request without "${name}", which ${rows} of them lack`;
  }
  return null;
}

async function rowsWithout(duckdb: DuckDb, { staged }: LabelColumn, time: TimeRange): Promise<number> {
  const [counted] = await duckdb.query<{ n: bigint }>(
    `SELECT count(*) AS n FROM ${LABELS_TABLE} l JOIN ${READ_TABLE} r ON r.row_number = l.row_number
     WHERE l.time_us >= ${time.fromUs} AND l.time_us < ${time.untilUs} AND r.${staged} IS NULL`,
  );
  invariant(counted !== undefined, 'an aggregate without a row');
  return Number(counted.n);
}

/** The present block that functions of then saw as theirs. */
export function blockFor(
  blocks: readonly ServiceBlock[],
  seen: DerivedCode['blocks'][number],
): ServiceBlock | undefined {
  return blocks.find(
    (block) =>
      block.name === seen.name &&
      block.view.name === seen.view &&
      canonicalJson(columnsByKey(block)) === canonicalJson(seen.columns),
  );
}

function addLacking(
  alsoRead: Map<string, FeatureLayout[]>,
  blocks: readonly ServiceBlock[],
  { blocks: seen }: DerivedCode,
): void {
  for (const one of seen) {
    const { view } = blockFor(blocks, one)!;
    const known = alsoRead.get(view.name) ?? [];
    for (const feature of one.features) {
      const now = { features: [...view.layout.features, ...known] };
      if (lackingFeatures(now, { features: [feature] }).length > 0) known.push(feature);
    }
    if (known.length > 0) alsoRead.set(view.name, known);
  }
}

function notRunnable(service: string, unrunnable: readonly Unrunnable[]): MillraceError {
  const lines = unrunnable.map(
    ({ version: { version, fromUs, untilUs, rows }, reason }) =>
      `version ${version} (served from ${formatDateTime(fromUs)} to ${formatDateTime(untilUs)}, ${rows} label rows): ${reason}`,
  );
  return new MillraceError(
    'definition-changed',
    `what service "${service}" derived then cannot be derived again: ${lines.join('; ')}`,
    {
      remedy:
        'Leave out the label rows of that time, export by the definitions of then, or name requests instead of times (requestColumn; CLI: --request-column): the serving log has what was served.',
      httpStatus: 409,
      details: { service, versions: unrunnable.map(({ version }) => version) },
    },
  );
}
