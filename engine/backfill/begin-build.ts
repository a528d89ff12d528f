import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import { observedFields } from '../define/observed-fields.ts';
import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { catalog, run, type StoredHistory } from '../postgres/catalog.ts';
import { createStateTable } from '../postgres/state-table.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { insertVersion, type ViewVersion, versions } from '../postgres/view-versions.ts';
import { layoutTag } from '../state/layout-tag.ts';
import type { Cut } from '../topic/cut.ts';
import { type BuildAttempt, holdVersion, superseded } from './build-attempt.ts';
import { acceptedJson, type SavedPoint } from './saved-progress.ts';
import { createSavedStates, emptySavedStates, keepHeldAsParts } from './saved-states.ts';
import { sweepAbandonedVersions } from './sweep-abandoned-versions.ts';

/** Attempts in a row that may end before anything is saved. */
const MOST_ATTEMPTS = 10;

export interface BeginOptions {
  readonly view: CompiledView;
  readonly pool: pg.Pool;
  readonly builder: string;
  readonly attempt: BuildAttempt | undefined;
  /** Asked before a version is begun, and not where one is gone on with: throws where it would come to nothing, before it has a number. */
  readonly check?: (() => Promise<void>) | undefined;
}

/** A version that is being built, by an attempt that may write to it. */
export interface BegunBuild {
  readonly version: number;
  readonly stateTable: string;
  /** Null where no other attempt may go on with it. */
  readonly attemptMs: number | null;
  readonly accepted: AcceptedInvalid;
  /** What an attempt before has saved, and the cut and the files it is of; null: nothing. */
  readonly saved: {
    readonly point: SavedPoint;
    readonly cut: Cut | null;
    /** Null where there is no history, and where they were not noted. */
    readonly history: StoredHistory | null;
  } | null;
}

/**
 * Begins a version, or goes on with the one that an earlier attempt of the same build has begun; gives it as it is where that has built it, and was
 * ended before it could say so. Every other version of the view that is not served goes.
 *
 * Throws MillraceError `backfill-superseded`, `backfill-gets-nowhere`.
 */
export async function beginBuild(options: BeginOptions): Promise<BegunBuild | { readonly built: ViewVersion }> {
  const { view, pool, attempt } = options;
  const own = attempt === undefined ? null : await versionOf(pool, view, attempt.build);
  await sweepAbandonedVersions({ pool, view: view.name, keepVersion: own?.version });
  if (own?.status === 'built') return { built: own };
  const accepted = await acceptedInvalid(pool, view.source.name);
  if (own === null || attempt === undefined) {
    await options.check?.();
    return await begin(options, accepted);
  }
  const begun = await withTransaction(pool, (client) => goOn(client, own, attempt, accepted));
  if (begun === 'gets-nowhere') throw getsNowhere(own);
  return begun;
}

async function versionOf(pool: pg.Pool, view: CompiledView, build: string): Promise<ViewVersion | null> {
  const own = (await versions(pool, view.name)).find(
    (version) => version.build === build && (version.status === 'building' || version.status === 'built'),
  );
  const isSame =
    own?.fingerprint === view.fingerprint &&
    own.semantics === view.layout.semantics &&
    own.topic === view.source.topic &&
    own.layoutTag === layoutTag(view.layout);
  return own !== undefined && isSame ? own : null;
}

function begin({ view, pool, builder, attempt }: BeginOptions, accepted: AcceptedInvalid): Promise<BegunBuild> {
  const { layout, source } = view;
  return withTransaction(pool, async (client) => {
    const begun = await insertVersion(client, {
      view: view.name,
      fingerprint: view.fingerprint,
      layout,
      layoutTag: layoutTag(layout),
      source: source.name,
      topic: source.topic,
      builder,
      build: attempt?.build ?? null,
      tags: view.tags,
      observedFields: observedFields(view),
    });
    await createStateTable(client, layout, begun.stateTable);
    if (attempt !== undefined) {
      await createSavedStates(client, begun.stateTable);
      await run(
        client,
        catalog.insertInto('backfill_progress').values({
          view: view.name,
          version: begun.version,
          attempt_ms: attempt.attemptMs,
          accepted: JSON.stringify(acceptedJson(accepted)),
        }),
      );
    }
    return { ...begun, attemptMs: attempt?.attemptMs ?? null, accepted, saved: null };
  });
}

/**
 * Takes the version over from the attempt before, whatever became of that. `gets-nowhere`: it has been taken over too often; whoever asks for it after
 * that is given as many attempts again.
 */
async function goOn(
  client: pg.PoolClient,
  { view, version, stateTable, cut, history }: ViewVersion,
  { attemptMs }: BuildAttempt,
  accepted: AcceptedInvalid,
): Promise<BegunBuild | 'gets-nowhere'> {
  await holdVersion(client, { view, version, attemptMs: null });
  const [found] = await run(
    client,
    catalog
      .selectFrom('backfill_progress')
      .select(['attempt_ms', 'attempts', 'accepted', 'point'])
      .where('view', '=', view)
      .where('version', '=', version),
  );
  if (found === undefined || found.attempt_ms > attemptMs)
    throw superseded(view, version, 'in the hands of a later attempt');
  const getsNowhere = found.attempts >= MOST_ATTEMPTS;
  const point = found.point as SavedPoint | null;
  // What was accepted since does not count any more, and what was read has been counted.
  const isSame = JSON.stringify(acceptedJson(accepted)) === JSON.stringify(found.accepted);
  await run(
    client,
    catalog
      .updateTable('backfill_progress')
      .set({ attempt_ms: attemptMs, attempts: getsNowhere ? 0 : found.attempts + 1 })
      .where('view', '=', view)
      .where('version', '=', version),
  );
  if (getsNowhere) return 'gets-nowhere';
  const begun = { version, stateTable, attemptMs, accepted };
  if (point === null || !isSame) {
    await forgetSaved(client, { view, version, stateTable }, accepted);
    return { ...begun, saved: null };
  }
  await keepHeldAsParts(client, stateTable);
  return { ...begun, saved: { point, cut, history } };
}

/** Forgets all that was saved of a build: it is begun anew, by the attempt at hand. */
export async function startOver(pool: pg.Pool, view: string, begun: BegunBuild): Promise<BegunBuild> {
  await withTransaction(pool, async (client) => {
    await holdVersion(client, { view, ...begun });
    await forgetSaved(client, { view, ...begun }, begun.accepted);
  });
  return { ...begun, saved: null };
}

async function forgetSaved(
  client: pg.PoolClient,
  { view, version, stateTable }: { readonly view: string; readonly version: number; readonly stateTable: string },
  accepted: AcceptedInvalid,
): Promise<void> {
  await emptySavedStates(client, stateTable, 'held');
  await emptySavedStates(client, stateTable, 'parts');
  for (const table of ['backfill_ids', 'dead_letter'] as const)
    await run(client, catalog.deleteFrom(table).where('view', '=', view).where('version', '=', version));
  await run(
    client,
    catalog
      .updateTable('backfill_progress')
      .set({ point: null, accepted: JSON.stringify(acceptedJson(accepted)) })
      .where('view', '=', view)
      .where('version', '=', version),
  );
}

function getsNowhere({ view, version }: ViewVersion): MillraceError {
  return new MillraceError(
    'backfill-gets-nowhere',
    `view "${view}", version ${version}: ${MOST_ATTEMPTS} attempts in a row were ended before any could save what it had done`,
    {
      remedy:
        'See in the workers\' logs what ends them (memory, a restart every minute), put an end to that, and send "retry".',
      httpStatus: 500,
      details: { view, version },
    },
  );
}
