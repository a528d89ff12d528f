import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { scanCommits } from '../replay/scan-commits.ts';
import type { Cell } from '../values/cell.ts';
import type { FeatureStaging } from './feature-staging.ts';
import { entityOf, openStaging, type ReadContext, type Reading, type ViewReading } from './reading.ts';
import { presentFeatures } from './served-definitions.ts';
import type { ServedPlan, ServedVersion } from './served-plan.ts';
import { inRange, LABELS_TABLE } from './spine-labels.ts';
import { type SweepBatch, type SweepScan, sweepSource } from './sweep-source.ts';
import type { ManifestSource, ManifestVersion } from './training-types.ts';
import { manifestSource } from './view-logs.ts';
import { type CellSink, ViewSweep } from './view-sweep.ts';

/**
 * Reads every label as serving would have answered then: per view and version, the log in the order of its commits against the labels of the
 * time in which that version was read. A label at `t` sees the commits that were visible at `t`, and nothing else.
 */
export async function readAsServed(context: ReadContext, plans: readonly ServedPlan[]): Promise<Reading> {
  const views: ViewReading[] = [];
  const sources = new Map<string, ManifestSource>();
  for (const plan of plans) {
    views.push(await readView(context, plan));
    const { name } = plan.view.source;
    const history = plan.versions.at(-1)?.stored.history?.files ?? sources.get(name)?.history ?? [];
    sources.set(name, manifestSource(name, null, history));
  }
  return { views, sources: [...sources.values()] };
}

async function readView(context: ReadContext, plan: ServedPlan): Promise<ViewReading> {
  const { view, versions } = plan;
  const staging = await openStaging(context, view);
  const counts = emptyCounts();
  let rowsWithoutState = 0;
  const defaulted = view.layout.features.map(() => 0);
  try {
    for (const version of versions) {
      const { code } = version;
      const sink = code === view ? staging : inPresentOrder(code.layout, view.layout, staging);
      const sweep = new ViewSweep(code, context.indexes[entityOf(context, view)]!, sink);
      addCounts(sweep.counts, await sweepVersion(context, sweep, version));
      addCounts(counts, sweep.counts);
      rowsWithoutState += sweep.rowsWithoutState;
      for (const [then, now] of presentFeatures(code.layout, view.layout).entries())
        if (now !== undefined) defaulted[now]! += sweep.defaulted[then]!;
    }
  } finally {
    staging.close();
  }
  const rowsNotServed = await addNotServed(context, staging, versions);
  return {
    view,
    table: staging.table,
    counts,
    rowsWithoutState,
    defaulted,
    served: { rowsNotServed, versions: versions.map(manifestVersion) },
  };
}

function manifestVersion(served: ServedVersion): ManifestVersion {
  const { version, fingerprint, fromUs, untilUs, untilSeq, rows, notServed } = served;
  return { version, fingerprint, fromUs, untilUs, untilSeq, rows, ...(notServed === undefined ? {} : { notServed }) };
}

/** Puts the cells of a definition's features where the present one has them; null where it had none: they were not served. */
function inPresentOrder(then: ViewLayout, now: ViewLayout, sink: CellSink): CellSink {
  const present = presentFeatures(then, now);
  const thenOf = now.features.map((_, index) => present.indexOf(index));
  const cells: Cell[] = now.features.map(() => null);
  return {
    append(rowNumber, served) {
      for (let f = 0; f < thenOf.length; f++) cells[f] = served[thenOf[f]!] ?? null;
      sink.append(rowNumber, cells);
    },
  };
}

async function sweepVersion(context: ReadContext, sweep: ViewSweep, version: ServedVersion): Promise<LogCounts> {
  const { duckdb, signal } = context;
  const counts = await sweepSource({
    views: [sweep],
    entities: context.indexes,
    entityOf: new Map([[sweep, entityOf(context, sweep.view)]]),
    duckdb,
    memory: context.memory,
    signal,
    labels: version,
    scan: (onFraction) => inCommitOrder(context, sweep, version, onFraction),
    onProgress: (progress) => context.progress.sweep(progress),
  });
  context.progress.sweepDone();
  return counts;
}

function inCommitOrder(
  { options, duckdb, listings, signal }: ReadContext,
  { view }: ViewSweep,
  { stored, commits, untilSeq }: ServedVersion,
  onFraction: (fraction: number) => void,
): SweepScan<LogCounts> {
  const scan = scanCommits({
    view,
    version: stored,
    commits,
    untilSeq,
    reader: options.reader,
    duckdb,
    listings,
    signal,
    onWait: options.onWait,
    onProgress: (done, total) => {
      if (total !== null && total > 0) onFraction(done / total);
    },
  });
  return {
    async *batches(): AsyncGenerator<SweepBatch> {
      for await (const { events, visibleAtUs } of scan.batches()) yield { events, seenFromUs: visibleAtUs };
    },
    get figures() {
      return scan.counts;
    },
  };
}

/** Labels of a time at which the view was not served get a row of nulls: nothing was answered, not even a count of 0. */
async function addNotServed(
  { duckdb, signal }: ReadContext,
  staging: FeatureStaging,
  versions: readonly ServedVersion[],
): Promise<number> {
  const served = versions.length === 0 ? 'false' : versions.map(inRange).join(' OR ');
  const where = `WHERE NOT (${served})`;
  await duckdb.run(
    `INSERT INTO ${staging.table} (row_number) SELECT row_number FROM ${LABELS_TABLE} ${where}`,
    [],
    signal,
  );
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${LABELS_TABLE} ${where}`);
  return Number(counted?.n);
}
