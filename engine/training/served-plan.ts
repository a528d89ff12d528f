import type pg from 'pg';
import { commitsMerged, type CommitTimeline } from '../archive/commit-timeline.ts';
import { loadCommitTimeline } from '../archive/load-commit-timeline.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { isCodeNotAtHand } from '../define/known-code.ts';
import { viewsOf } from '../define/service-blocks.ts';
import { isRetired } from '../define/semantics.ts';
import { ENGINE_SEMANTICS, type FeatureLayout, type ViewLayout } from '../define/view-layout.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { invariant, MillraceError } from '../errors/millrace-error.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { lastProof, proofText } from '../postgres/last-proof.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { sqlText } from '../postgres/sql.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';
import { publishedTimes } from './published-times.ts';
import type { ReadContext } from './reading.ts';
import { lackingFeatures } from './served-definitions.ts';
import { inRange, LABELS_TABLE, type TimeRange } from './spine-labels.ts';
import type { ManifestVersion } from './training-types.ts';

/** One version of a view that label rows fall to. */
export interface ServedVersion extends ManifestVersion {
  readonly stored: ViewVersion;
  /** What served then. */
  readonly code: CompiledView;
  readonly commits: CommitTimeline;
}

/** Which versions of a view the labels are to be read from. */
export interface ServedPlan {
  readonly view: CompiledView;
  /** The features that are read: those of the view, then what else functions of a service saw of it. */
  readonly layout: ViewLayout;
  /** Oldest first; their times do not overlap. */
  readonly versions: readonly ServedVersion[];
}

/** The database as-served exports need. Throws `database-missing`. */
export function poolOf({ options }: Pick<ReadContext, 'options'>): pg.Pool {
  if (options.pool !== undefined) return options.pool;
  throw new MillraceError(
    'database-missing',
    'what was served when stands in the database, and there is no connection to it',
    {
      remedy: 'Give the export the pool of the database (DATABASE_URL).',
    },
  );
}

/**
 * Finds, for each view, which version readers got at the labels' times and how far its commits go.
 *
 * @param alsoRead by view, features that its present definition has no more
 *
 * Throws `view-not-published`, `semantics-retired`, `definition-changed`, `commits-missing`, `commits-merged`, `training-set-changed`.
 */
export async function planServed(
  context: ReadContext,
  alsoRead: ReadonlyMap<string, readonly FeatureLayout[]> = new Map(),
): Promise<ServedPlan[]> {
  const { options } = context;
  const pool = poolOf(context);
  const nowUs = await databaseNow(pool);
  const plans: ServedPlan[] = [];
  const foreign: ForeignRows[] = [];
  for (const view of viewsOf(options.service)) {
    const stored = await versions(pool, view.name);
    const pinned = options.repeatOf?.views.find((candidate) => candidate.view === view.name)?.served?.versions;
    const spans =
      pinned === undefined ? await servedSpans(context, view, stored, nowUs) : pinnedSpans(view, stored, pinned);
    const found: ServedVersion[] = [];
    for (const span of spans) {
      const code = await codeOf(context, view, span);
      if (code === null) {
        foreign.push({ view, span, fingerprint: span.fingerprint, commit: null });
        continue;
      }
      const commits = await loadCommitTimeline({ pool, archiveDir: options.archiveDir ?? null, version: span.stored });
      await checkTold(context, view, span, commits);
      const untilSeq = span.untilSeq ?? commits.seqAt(span.newestLabelUs);
      checkSeq(view, span, commits, untilSeq);
      const strange = commits.foreignCommits(span.fingerprint).find(({ seq }) => seq <= untilSeq);
      if (strange !== undefined) {
        foreign.push({ view, span, fingerprint: strange.fingerprint, commit: strange.seq });
        continue;
      }
      const { version, fingerprint, fromUs, untilUs, rows, stored } = span;
      const lacking = lackingFeatures(code.layout, view.layout);
      const notServed = lacking.length === 0 ? {} : { notServed: lacking };
      found.push({ version, fingerprint, fromUs, untilUs, untilSeq, rows, ...notServed, stored, code, commits });
    }
    const more = alsoRead.get(view.name) ?? [];
    const { layout } = view;
    plans.push({
      view,
      layout: more.length === 0 ? layout : { ...layout, features: [...layout.features, ...more] },
      versions: found,
    });
  }
  if (foreign.length > 0) throw notReplayable(foreign, await proofsOf(pool, foreign));
  return plans;
}

interface Span extends Omit<ManifestVersion, 'untilSeq'> {
  readonly stored: ViewVersion;
  /** Where it is pinned. */
  readonly untilSeq: number | null;
  readonly newestLabelUs: number;
}

/** The time by the database's clock, epoch µs. */
export async function databaseNow(pool: pg.Pool): Promise<number> {
  const { rows } = await runSql<{ now_us: number }>(pool, sqlText`SELECT clock_timestamp() AS now_us`);
  return rows[0]!.now_us;
}

/** The versions that were ever read, each with its time and the label rows in it; those without any are left out. */
async function servedSpans(
  context: ReadContext,
  view: CompiledView,
  stored: readonly ViewVersion[],
  nowUs: number,
): Promise<Span[]> {
  const published = publishedTimes(stored, nowUs);
  if (published.length === 0) {
    throw new MillraceError(
      'view-not-published',
      `view "${view.name}" was never published: nothing of it was ever served`,
      {
        remedy: 'Start its lifecycle first; until then export with mode "event-time".',
        httpStatus: 409,
      },
    );
  }
  const spans: Span[] = [];
  for (const { version, ...range } of published) {
    const { rows, newestUs } = await labelsWithin(context.duckdb, range);
    if (rows === 0) continue;
    const { fingerprint } = version;
    spans.push({
      version: version.version,
      fingerprint,
      ...range,
      rows,
      stored: version,
      untilSeq: null,
      newestLabelUs: newestUs,
    });
  }
  return spans;
}

function pinnedSpans(view: CompiledView, stored: readonly ViewVersion[], pinned: readonly ManifestVersion[]): Span[] {
  return pinned.map((version) => {
    const found = stored.find((candidate) => candidate.version === version.version);
    if (found?.fingerprint === version.fingerprint)
      return { ...version, stored: found, newestLabelUs: version.untilUs };
    throw otherVersion(`version ${version.version} of view "${view.name}"`, found);
  });
}

/** What an export is to be repeated of is not there, or another. @param found what is there in its place */
export function otherVersion(what: string, found: object | undefined): MillraceError {
  return new MillraceError(
    'training-set-changed',
    `the export cannot be repeated exactly: ${what} is ${found === undefined ? 'not in this database' : 'another one in this database'}`,
    { remedy: 'Repeat it on the database it was made from, or export anew.', httpStatus: 409 },
  );
}

function checkSeq(view: CompiledView, span: Span, commits: CommitTimeline, untilSeq: number): void {
  if (untilSeq <= commits.lastSeq) return;
  throw new MillraceError(
    'training-set-changed',
    `the export cannot be repeated exactly: it saw commit ${untilSeq} of version ${span.version} of view "${view.name}", the newest is ${commits.lastSeq}`,
    { remedy: 'Repeat it on the database it was made from, or export anew.', httpStatus: 409 },
  );
}

/** Throws `commits-merged` where a label is of a time of which it is not told any more what was visible. */
async function checkTold(
  { duckdb }: ReadContext,
  view: CompiledView,
  { version, fromUs, untilUs }: Span,
  commits: CommitTimeline,
): Promise<void> {
  for (const times of commits.mergedTimes()) {
    const range = { fromUs: Math.max(fromUs, times.fromUs), untilUs: Math.min(untilUs, times.untilUs) };
    if (range.fromUs >= range.untilUs) continue;
    const { rows } = await labelsWithin(duckdb, range);
    if (rows > 0)
      throw commitsMerged(
        { view: view.name, version },
        times.merged,
        times.untilUs,
        `, and ${rows} label rows are of that time`,
      );
  }
}

/** How many labels are of a time, and the newest of them. */
export async function labelsWithin(duckdb: DuckDb, range: TimeRange): Promise<{ rows: number; newestUs: number }> {
  const [row] = await duckdb.query<{ n: bigint; newest: bigint | null }>(
    `SELECT count(*) AS n, max(time_us) AS newest FROM ${LABELS_TABLE} WHERE ${inRange(range)}`,
  );
  invariant(row !== undefined, 'an aggregate without a row');
  return { rows: Number(row.n), newestUs: Number(row.newest ?? 0) };
}

/** Label rows of a time at which other code served, or committed. */
interface ForeignRows {
  readonly view: CompiledView;
  readonly span: Span;
  readonly fingerprint: string;
  /** The commit it made in a version that was the present definition's; null: the whole version is its. */
  readonly commit: number | null;
}

/** The code that served then; null where it is not to be had, or served other entities than the labels are of. */
async function codeOf({ options }: ReadContext, view: CompiledView, span: Span): Promise<CompiledView | null> {
  const { fingerprint, stored } = span;
  if (fingerprint === view.fingerprint) return view;
  if (options.code === undefined || isRetired(stored.semantics)) return null;
  try {
    const code = await options.code.viewOf({ view: view.name, fingerprint });
    return isSameEntity(code.layout, view.layout) ? code : null;
  } catch (error) {
    if (isCodeNotAtHand(error)) return null;
    throw error;
  }
}

function isSameEntity(a: ViewLayout, b: ViewLayout): boolean {
  return a.entity === b.entity && JSON.stringify(a.keys) === JSON.stringify(b.keys);
}

/** What was last proven of each version of earlier semantics: it can be proven no more. */
function proofsOf(on: Queryable, foreign: readonly ForeignRows[]): Promise<(string | null)[]> {
  return Promise.all(
    foreign.map(async ({ view, span }) =>
      isRetired(span.stored.semantics) ? proofText(await lastProof(on, view.name, span.version)) : null,
    ),
  );
}

/** `semantics-retired` where the engine's semantics alone are in the way, else `definition-changed`. */
function notReplayable(foreign: readonly ForeignRows[], proofs: readonly (string | null)[]): MillraceError {
  const isUpgrade = foreign.every(({ span }) => isRetired(span.stored.semantics));
  const lines = foreign.map(({ view, span, fingerprint, commit }, index) => {
    const what =
      commit === null
        ? `version ${span.version} of view "${view.name}"`
        : `version ${span.version} of view "${view.name}", from its commit ${commit} on,`;
    const { semantics } = span.stored;
    return (
      `${what} (served from ${formatDateTime(span.fromUs)} to ${formatDateTime(span.untilUs)}, ${span.rows} label rows) was made by ` +
      (isRetired(semantics)
        ? `semantics ${semantics} of the engine, the present ones are ${ENGINE_SEMANTICS}; ${proofs[index]}`
        : `definition ${fingerprint.slice(0, 12)}, the present one is ${view.fingerprint.slice(0, 12)}`)
    );
  });
  return new MillraceError(
    isUpgrade ? 'semantics-retired' : 'definition-changed',
    `what ${isUpgrade ? 'earlier semantics' : 'code that is not at hand, or that is of other entities,'} served cannot be replayed: ${lines.join('; ')}`,
    {
      remedy: isUpgrade
        ? 'Leave out the label rows of that time, or name requests instead of times (requestColumn; CLI: --request-column): the serving log has what was served.'
        : 'Leave out the label rows of that time, bring its code here ("millrace bundle import"), or name requests instead of times (requestColumn; CLI: --request-column): the serving log has what was served.',
      httpStatus: 409,
      details: {
        versions: foreign.map(({ view, span, fingerprint, commit }) => ({
          view: view.name,
          version: span.version,
          fingerprint,
          fromUs: span.fromUs,
          untilUs: span.untilUs,
          rows: span.rows,
          commit,
        })),
      },
    },
  );
}
