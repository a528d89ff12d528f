import type { KeyObject } from 'node:crypto';
import type pg from 'pg';
import type { CompiledView, Definitions } from '../define/compiled-view.ts';
import { lockOf } from '../define/feature-lock.ts';
import { namedBlocks } from '../define/service-blocks.ts';
import { unknownView } from '../define/known-code.ts';
import type { MillraceErrorCode } from '../errors/error-codes.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { appendEvent } from '../postgres/audit-events.ts';
import { desiredViews, lockDesired, moveDesired } from '../postgres/desired-views.ts';
import { type AppliedService, type NotedService, noteServices } from '../postgres/service-versions.ts';
import { newestStatus } from '../postgres/live-version.ts';
import { sqlState } from '../postgres/postgres-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { liveIdentities } from '../postgres/view-versions.ts';
import { listBundles, type SignedBundle, storeBundle, storedFingerprintOf, unsigned } from './bundle-registry.ts';
import { type BundleKeys, signBundle } from './bundle-signature.ts';
import { makeBundle } from './make-bundle.ts';
import { type DerivedToKeep, derivedToKeep } from './service-bundles.ts';
import { bundleHash } from './view-bundle.ts';

const INSUFFICIENT_PRIVILEGE = '42501';
/** Of a definition that cannot be stored as a bundle. */
const UNSTORABLE: ReadonlySet<string> = new Set<MillraceErrorCode>(['bundle-incomplete', 'bundle-too-large']);

/** What `applyDefinitions` needs. */
export interface ApplyOptions {
  readonly pool: pg.Pool;
  /** Loaded from a folder. */
  readonly definitions: Definitions;
  /** Only these. Left out: all of the folder. */
  readonly views?: readonly string[] | undefined;
  readonly actor: string;
  /** Why, for whoever reads it later. */
  readonly message?: string | undefined;
  /** Keys that stored bundles must be signed by. Default: none must be. */
  readonly keys?: BundleKeys | undefined;
  /** A private Ed25519 key to sign new bundles with. Default: they are not signed. */
  readonly signKey?: KeyObject | undefined;
  /**
   * Told of a view or service whose code cannot stand for itself: a view is then left as it is, a service noted without its code. Default: it is an
   * error.
   */
  readonly onUnstorable?: ((name: string, error: MillraceError) => void) | undefined;
  /** Say what would be, and change nothing. */
  readonly dryRun?: boolean | undefined;
}

/** What an apply says of a view. */
export interface AppliedView {
  readonly view: string;
  /**
   * Against what was applied before or, where nothing was, what is served. `new`: there was neither. `upgraded`: the same definition, by later
   * semantics of the engine.
   */
  readonly change: 'new' | 'unchanged' | 'upgraded' | 'changed';
  readonly fingerprint: string;
  /** What it was to be before; null: nothing. */
  readonly before: string | null;
  /** What readers get; null: nothing. */
  readonly live: string | null;
  /** Of the apply that made it what it is to be, this one or one before; null in a dry run of what never was. */
  readonly applyNumber: number | null;
}

export interface ApplyOutcome {
  /** Of the views that were moved; null where none had to be, and of a dry run. */
  readonly applyNumber: number | null;
  readonly views: readonly AppliedView[];
  /** Services that are to be something else than before, each a version more; none of an apply of some of the views alone. */
  readonly services: readonly NotedService[];
  /** Views that were applied once and that the folder no longer defines: they stay as they are. */
  readonly gone: readonly string[];
}

/**
 * Makes the definitions of a folder what their views are to be: stores the code of each, and moves all of them in one transaction. Nothing that runs is
 * changed by it. Of two at once the later one stands, whole. Only the owner's role may, unless it is a dry run.
 *
 * @throws MillraceError `unknown-view` where a named view is not in the folder, and what making and storing bundles does: all of them at once
 * @example
 * const { applyNumber, views } = await applyDefinitions({ pool, definitions, actor: 'ana@laptop', message: 'shorter windows' });
 */
export async function applyDefinitions(options: ApplyOptions): Promise<ApplyOutcome> {
  const { pool, definitions, actor, message = null, dryRun = false } = options;
  const { fingerprints, bundles, derived } = await bundlesOf(options, chosenViews(options));
  const chosen = [...definitions.views.values()].filter(({ name }) => fingerprints.has(name));
  if (dryRun) {
    const views = await compared(pool, chosen, fingerprints);
    return { applyNumber: null, views, services: [], gone: await goneFrom(pool, definitions) };
  }
  return await asOwner(pool, async (client) => {
    await lockDesired(client);
    const views = await compared(client, chosen, fingerprints);
    for (const bundle of bundles) await storeBundle(client, bundle, actor);
    const moved = views.filter(({ fingerprint, before }) => fingerprint !== before);
    const applyNumber = moved.length === 0 ? null : await moveDesired(client, moved, { actor, message });
    for (const { view, change, fingerprint, before } of moved) {
      const input = message === null ? {} : { message };
      const result = { applyNumber, change, fingerprint, before };
      await appendEvent(client, { actor, action: 'apply', subject: view, input, result });
    }
    const services = isWhole(options, fingerprints)
      ? await noteServices(client, appliedServices(definitions, derived), actor)
      : [];
    for (const { service, version } of services)
      await appendEvent(client, {
        actor,
        action: 'apply',
        subject: service,
        input: {},
        result: { serviceVersion: version },
      });
    const numbered = views.map((view) => (moved.includes(view) ? { ...view, applyNumber } : view));
    return { applyNumber, views: numbered, services, gone: await goneFrom(client, definitions) };
  });
}

/** Whether all that the folder has is applied: only then is it known what its services are to be. */
function isWhole({ definitions, views = [] }: ApplyOptions, applied: ReadonlyMap<string, string>): boolean {
  return views.length === 0 && applied.size === definitions.views.size;
}

function appliedServices(
  definitions: Definitions,
  derived: ReadonlyMap<string, DerivedToKeep>,
): Record<string, AppliedService> {
  const { services } = lockOf(definitions);
  return Object.fromEntries(
    [...definitions.services].map(([name, service]) => [
      name,
      { views: services[name] ?? {}, blocks: namedBlocks(service), derived: service.derivedTag, ...derived.get(name) },
    ]),
  );
}

/** One transaction of one who may. */
async function asOwner<Result>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
  try {
    return await withTransaction(pool, work);
  } catch (error) {
    // As a client of ours names what Postgres refuses.
    const refused = isMillraceError(error) ? error.cause : error;
    if (sqlState(refused) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new MillraceError(
      'not-the-owner',
      `this login may not say what views are to be: ${refused instanceof Error ? refused.message : String(refused)}`,
      {
        remedy: 'Apply with a login of the owner role (docs/deploy.md): what is applied is run by every worker.',
        httpStatus: 403,
        cause: error,
      },
    );
  }
}

function chosenViews({ definitions, views: named }: ApplyOptions): readonly CompiledView[] {
  if (named === undefined || named.length === 0) return [...definitions.views.values()];
  return [...new Set(named)].map((name) => {
    const view = definitions.views.get(name);
    if (view === undefined) throw unknownView(name, [...definitions.views.keys()], definitions.folder);
    return view;
  });
}

interface Bundles {
  /** By view: what it is known by. */
  readonly fingerprints: ReadonlyMap<string, string>;
  /** Those that are not stored yet. */
  readonly bundles: readonly SignedBundle[];
  /** By service. */
  readonly derived: ReadonlyMap<string, DerivedToKeep>;
}

async function bundlesOf(options: ApplyOptions, views: readonly CompiledView[]): Promise<Bundles> {
  const { pool, definitions, keys, signKey, onUnstorable, dryRun = false } = options;
  const stored = new Set((await listBundles(pool)).map(({ fingerprint }) => fingerprint));
  const fingerprints = new Map<string, string>();
  const bundles: SignedBundle[] = [];
  const derived = new Map<string, DerivedToKeep>();
  const faults: MillraceError[] = [];
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      if (onUnstorable !== undefined && UNSTORABLE.has(error.code)) onUnstorable(name, error);
      else faults.push(error);
    }
  };
  for (const view of views)
    await attempt(view.name, async () => {
      const fingerprint = await storedFingerprintOf(pool, view, keys);
      const made = stored.has(fingerprint) ? null : unsigned(await makeBundle(view));
      fingerprints.set(view.name, fingerprint);
      if (made === null) return;
      bundles.push(signKey === undefined ? made : { ...made, signature: signBundle(bundleHash(made.text), signKey) });
    });
  if (!dryRun && isWhole(options, fingerprints))
    for (const service of definitions.services.values()) {
      if (service.derivedTag === undefined) continue;
      await attempt(service.name, async () => {
        derived.set(service.name, await derivedToKeep(pool, service, signKey));
      });
    }
  const [first] = faults;
  if (first === undefined) return { fingerprints, bundles, derived };
  if (faults.length === 1) throw first;
  throw new MillraceError(
    first.code,
    `${faults.length} definitions: ${faults.map(({ code, message }) => `${code}: ${message}`).join('; ')}`,
    { remedy: [...new Set(faults.map(({ remedy }) => remedy))].join(' '), httpStatus: first.httpStatus, cause: first },
  );
}

async function compared(
  on: Queryable,
  views: readonly CompiledView[],
  fingerprints: ReadonlyMap<string, string>,
): Promise<AppliedView[]> {
  const desired = new Map((await desiredViews(on)).map((one) => [one.view, one]));
  const served = new Map((await liveIdentities(on)).map(({ view, fingerprint }) => [view, fingerprint]));
  const results: AppliedView[] = [];
  for (const { name: view, fingerprint: own, fingerprintBefore } of views) {
    const fingerprint = fingerprints.get(view) ?? own;
    const before = desired.get(view)?.fingerprint ?? null;
    const live = served.get(view) ?? null;
    const known = before ?? live;
    const isSame = known === fingerprint;
    const isUpgrade = !isSame && known !== null && (await fingerprintBefore?.()) === known;
    const change = known === null ? 'new' : isSame ? 'unchanged' : isUpgrade ? 'upgraded' : 'changed';
    results.push({ view, change, fingerprint, before, live, applyNumber: desired.get(view)?.applyNumber ?? null });
  }
  return results;
}

async function goneFrom(on: Queryable, { views }: Definitions): Promise<string[]> {
  const gone: string[] = [];
  for (const { view } of await desiredViews(on))
    if (!views.has(view) && (await newestStatus(on, view)) !== 'retired') gone.push(view);
  return gone;
}
