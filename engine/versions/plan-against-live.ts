import { statesObstacle } from '../backfill/states-obstacle.ts';
import type { CompiledView, Definitions } from '../define/compiled-view.ts';
import { isRetired } from '../define/semantics.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { storedBytes } from '../postgres/state-size.ts';
import { liveVersions, type ViewVersion, viewVersion } from '../postgres/view-versions.ts';
import { compareDefinitions, type DefinitionDifference } from './compare-definitions.ts';
import { definitionSides, type SidesContext } from './diff-sides.ts';
import type { DiffOptions, VersionsDiff } from './diff-types.ts';
import { diffVersions } from './diff-versions.ts';
import { copyingWork, type ExpectedWork, expectedWork, type MeasuredRate, ownRate } from './expected-work.ts';

/** So many entities tell a share to within about two in a hundred. */
export const PLAN_ENTITIES = 2_000;

/** A view of the definitions, or of what is live, held to the other. */
export interface PlannedView {
  readonly view: string;
  /** `new`: nothing is live; `upgrading`: this definition is live by earlier semantics of the engine; `retired`: what is live is defined no more. */
  readonly change: 'new' | 'unchanged' | 'upgrading' | 'changed' | 'retired';
  readonly fingerprint: string | null;
  readonly live: { readonly version: number; readonly fingerprint: string } | null;
  /** Of a changed view. */
  readonly difference: DefinitionDifference | null;
  /** What building it takes; null of a view that stays as it is or goes. */
  readonly expected: ExpectedWork | null;
  /** Of a changed view: both replayed, on a sample of the entities; null where that could not be. */
  readonly sample: VersionsDiff | null;
  /** Why there is no sample of a changed view. */
  readonly notCompared: { readonly code: string; readonly message: string } | null;
}

export interface PlanAgainstLiveOptions
  extends SidesContext,
    Pick<DiffOptions, 'listings' | 'spillDir' | 'memory' | 'signal' | 'onWait'> {
  readonly definitions: Definitions;
  /** Entities of a sample at most. Default 2,000. */
  readonly entities?: number | undefined;
  readonly onProgress?: ((view: string, done: number, total: number | null) => void) | undefined;
}

/**
 * What the definitions would change of what is live, view by view, before anything is done: what is new, changed and gone, what has to be built from
 * the log and how long that takes, and on a sample of the entities how many cells would differ. Writes nothing.
 *
 * @throws MillraceError what the catalog's database throws; what keeps one view from being compared is told of that view
 * @example
 * const planned = await planAgainstLive({ definitions, pool, code, reader, clock, listings, spillDir });
 */
export async function planAgainstLive(options: PlanAgainstLiveOptions): Promise<PlannedView[]> {
  const { definitions, pool } = options;
  const live = new Map((await liveVersions(pool)).map((version) => [version.view, version]));
  const planned: PlannedView[] = [];
  for (const view of definitions.views.values())
    planned.push(await plannedView(options, view, live.get(view.name) ?? null));
  for (const version of live.values())
    if (!definitions.views.has(version.view))
      planned.push({ ...unchanged(version.view, null, version), change: 'retired' });
  return planned;
}

function unchanged(view: string, fingerprint: string | null, live: ViewVersion | null): Omit<PlannedView, 'change'> {
  return {
    view,
    fingerprint,
    live: live && { version: live.version, fingerprint: live.fingerprint },
    difference: null,
    expected: null,
    sample: null,
    notCompared: null,
  };
}

async function plannedView(
  options: PlanAgainstLiveOptions,
  view: CompiledView,
  live: ViewVersion | null,
): Promise<PlannedView> {
  const base = unchanged(view.name, view.fingerprint, live);
  if (live === null) return { ...base, change: 'new', expected: await expectedOf(options, view, null, null) };
  if (live.fingerprint === view.fingerprint) return { ...base, change: 'unchanged' };
  if (isRetired(live.semantics)) {
    const isBefore = (await view.fingerprintBefore?.()) === live.fingerprint;
    const difference = isBefore ? null : compareDefinitions({ layout: live.layout, tags: live.tags, view: null }, view);
    const expected = await expectedOf(options, view, live, null);
    const why = `version ${live.version} was made by earlier semantics of the engine, which are not replayed any more`;
    const notCompared = { code: 'semantics-retired', message: why };
    return { ...base, change: isBefore ? 'upgrading' : 'changed', difference, expected, notCompared };
  }
  const before = await codeOf(options, live);
  if ('view' in before && isSame(before.view, view)) return { ...base, change: 'unchanged' };
  const known = 'view' in before ? before.view : null;
  const tags = live.tags ?? known?.tags ?? null;
  const difference = await builtHow(
    options,
    compareDefinitions({ layout: live.layout, tags, view: known }, view),
    live,
    view,
  );
  const compared = 'view' in before ? await sampled(options, live, before.view, view) : before;
  const rate = 'rate' in compared ? compared.rate : null;
  return {
    ...base,
    change: 'changed',
    difference,
    expected: difference.rebuild.isNeeded
      ? await expectedOf(options, view, live, rate)
      : copyingWork(await storedBytes(options.pool, live)),
    sample: 'diff' in compared ? compared.diff : null,
    notCompared: 'notCompared' in compared ? compared.notCompared : null,
  };
}

/** Equal states are taken over where the log is what it was: else the version is built from it. */
async function builtHow(
  { pool, reader, signal }: PlanAgainstLiveOptions,
  difference: DefinitionDifference,
  live: ViewVersion,
  view: CompiledView,
): Promise<DefinitionDifference> {
  if (difference.rebuild.isNeeded) return difference;
  const why = await statesObstacle({ view, live, pool, reader, signal });
  return why === null ? difference : { ...difference, rebuild: { isNeeded: true, why } };
}

interface NotCompared {
  readonly notCompared: NonNullable<PlannedView['notCompared']>;
}

/** Throws what is no MillraceError. */
function notCompared(error: unknown): NotCompared {
  if (!isMillraceError(error)) throw error;
  return { notCompared: { code: error.code, message: error.message } };
}

async function codeOf(
  { code }: PlanAgainstLiveOptions,
  { view, fingerprint }: ViewVersion,
): Promise<{ readonly view: CompiledView } | NotCompared> {
  try {
    return { view: await code.viewOf({ view, fingerprint }) };
  } catch (error) {
    return notCompared(error);
  }
}

/** Where a version's code is the definition's by today's reading of it, `VersionCode` gives the definition by the version's name. */
function isSame(before: CompiledView, after: CompiledView): boolean {
  return before.prepare === after.prepare;
}

async function sampled(
  options: PlanAgainstLiveOptions,
  live: ViewVersion,
  before: CompiledView,
  after: CompiledView,
): Promise<{ readonly diff: VersionsDiff; readonly rate: MeasuredRate | null } | NotCompared> {
  const { reader, listings, spillDir, memory, signal, onWait, onProgress, clock, entities = PLAN_ENTITIES } = options;
  const startedMs = clock.monotonicMs();
  let rows = 0;
  try {
    const sides = await definitionSides(options, live, before, after);
    const diff = await diffVersions({
      ...sides,
      entities,
      reader,
      listings,
      spillDir,
      memory,
      signal,
      onWait,
      onProgress: ({ phase, done, total }) => {
        if (phase !== 'replay') return;
        rows = Math.max(rows, done);
        onProgress?.(after.name, done, total);
      },
    });
    const seconds = (clock.monotonicMs() - startedMs) / 1000;
    const scanned = diff.isOneScan ? rows : 2 * rows;
    const rate =
      rows === 0 ? null : { rowsPerSecond: scanned / seconds, from: 'as fast as this comparison read the log' };
    return { diff, rate };
  } catch (error) {
    signal?.throwIfAborted();
    return notCompared(error);
  }
}

async function expectedOf(
  { definitions, pool, reader }: PlanAgainstLiveOptions,
  view: CompiledView,
  live: ViewVersion | null,
  rate: MeasuredRate | null,
): Promise<ExpectedWork> {
  return await expectedWork({
    source: view.source,
    samples: definitions.samples ?? [],
    live,
    stateBytes: live === null ? null : await storedBytes(pool, live),
    reader,
    rate: (await builtRate(pool, live)) ?? rate,
  });
}

/** How fast the live version was built, or the one of whose states it was made. */
async function builtRate(on: Queryable, live: ViewVersion | null): Promise<MeasuredRate | null> {
  let built = live;
  while (built?.madeFrom != null) built = await viewVersion(on, built.view, built.madeFrom);
  return built && ownRate(built);
}
