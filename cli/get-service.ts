import type pg from 'pg';
import { keyColumns } from '../engine/define/view-role.ts';
import type { NamedBlock } from '../engine/define/service-blocks.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import { distinctKeys } from '../engine/online/distinct-keys.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import type { ViewRead } from '../engine/online/view-read.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import { type ServiceVersion, serviceVersions } from '../engine/postgres/service-versions.ts';
import { requestReader } from '../engine/define/request-fields.ts';
import type { RequestValues } from '../engine/derived/derive-service.ts';
import type { DerivedFailure } from '../engine/derived/derive-step.ts';
import type { DerivedCode } from '../engine/define/derived-code.ts';
import { createDeriveReads, refuseFlipped } from '../engine/online/derive-reads.ts';
import { jsonTree } from '../engine/values/composite-text.ts';
import type { FeatureErrors } from '../engine/values/feature-errors.ts';
import type { JsonTree } from '../engine/values/json-values.ts';
import { entityOf } from './entity-arguments.ts';

/** What a service answers for one request. */
export interface AnsweredService {
  readonly service: string;
  /** The version of the service whose views and roles these are. */
  readonly version: number;
  /** In its order. */
  readonly blocks: readonly { readonly name: string; readonly layout: ViewLayout; readonly read: ViewRead }[];
  /** Null where it derives nothing. */
  readonly derived: AnsweredDerived | null;
}

/** What a service derived. */
export interface AnsweredDerived {
  readonly values: Readonly<Record<string, JsonTree>>;
  readonly errors: FeatureErrors | null;
  /** Why functions gave no value. */
  readonly failures: readonly DerivedFailure[];
}

/** The code of a version that derives something. */
export type ServedCodeOf = (version: ServiceVersion) => Promise<DerivedCode | null>;

/**
 * Reads a service as it is served, of the newest version that is: all of its views and roles, each entity of a view once, and what it derives of them.
 * Null where no service of that name is served.
 *
 * @param given arguments like `origin=LAS`, for the columns of all of them and the fields of the request
 * @param atUs UTC epoch µs, one for all
 * @throws MillraceError `invalid-key`, `invalid-request`, `view-changing`, and what reading and `codeOf` do
 */
export async function getService(
  pool: pg.Pool,
  store: OnlineStore,
  service: string,
  given: readonly string[],
  atUs: number,
  codeOf: ServedCodeOf,
): Promise<AnsweredService | null> {
  const served = (await serviceVersions(pool, service)).find(({ missing }) => missing.length === 0);
  if (served === undefined) return null;
  const named = blocksOf(served);
  const layouts = new Map<string, ViewLayout>();
  for (const { view } of named.map(([, block]) => block)) {
    const live = await liveVersion(pool, view);
    if (live === null) return null;
    layouts.set(view, live.layout);
  }
  const asked = named.map(([name, { view, columns }]) => {
    const layout = layouts.get(view)!;
    return { name, layout, columns: keyColumns(layout.keys, columns) };
  });
  const code = served.derives ? await codeOf(served) : null;
  const fields = code?.request ?? [];
  const ofFields = fields.map(({ spec }) => spec);
  const { keys, request: texts } = entityOf(`service "${service}"`, asked, ofFields, given);
  const request = requestReader(service, fields, 'text')(texts);
  const reads = new Map<string, ViewRead>();
  for (const [view, blocks] of Map.groupBy(asked, ({ layout }) => layout.view)) {
    const own = distinctKeys(blocks.map((block) => [keys[asked.indexOf(block)]!]));
    const read = await store.get(view, own.keys, { atUs });
    for (const [at, { name }] of blocks.entries()) reads.set(name, read[own.places[at]![0]!]!);
  }
  const blocks = asked.map(({ name, layout }) => ({ name, layout, read: reads.get(name)! }));
  if (code !== null)
    for (const { layout, read } of blocks) refuseFlipped(service, served.views[layout.view] ?? {}, read);
  const derived = code === null ? null : deriveOf(service, code, blocks, request, atUs);
  return { service, version: served.version, blocks, derived };
}

/** Runs the code of a version over what its blocks answered. */
function deriveOf(
  service: string,
  { blocks: seen, derived: plans }: DerivedCode,
  blocks: AnsweredService['blocks'],
  request: RequestValues,
  atUs: number,
): AnsweredDerived {
  const reads = seen.map(({ name }) => blocks.find((block) => block.name === name)!.read);
  const failures: DerivedFailure[] = [];
  const derive = createDeriveReads(service, seen, plans);
  const { values, errors } = derive(reads, request, atUs, (failure) => failures.push(failure));
  const shown = plans.map(({ name, type }, index) => [name, jsonTree(type, values[index]!)] as const);
  return { values: Object.fromEntries(shown), errors, failures };
}

function blocksOf({ blocks, views }: ServiceVersion): [string, NamedBlock][] {
  if (blocks !== null) return Object.entries(blocks);
  return Object.keys(views).map((view) => [view, { view, columns: {} }]);
}
