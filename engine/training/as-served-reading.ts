import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { ServiceBlock } from '../define/compiled-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { scanCommits } from '../replay/scan-commits.ts';
import type { Cell } from '../values/cell.ts';
import type { FeatureStaging } from './feature-staging.ts';
import { type BlockReading, blocksOf, indexOf, openStaging, type ReadContext, type Reading } from './reading.ts';
import { presentFeatures } from './served-definitions.ts';
import type { ServedPlan, ServedVersion } from './served-plan.ts';
import { inRange, LABELS_TABLE, placeOf } from './spine-labels.ts';
import { type SweepBatch, type SweepScan, sweepSource } from './sweep-source.ts';
import type { ManifestSource, ManifestVersion } from './training-types.ts';
import { manifestSource } from './view-logs.ts';
import { type BlockReads, blockReads, type CellSink, ViewSweep } from './view-sweep.ts';

/**
 * Reads every label as serving would have answered then: per view and version, the log in the order of its commits against the labels of the
 * time in which that version was read. A label at `t` sees the commits that were visible at `t`, and nothing else.
 */
export async function readAsServed(context: ReadContext, plans: readonly ServedPlan[]): Promise<Reading> {
  const read: BlockReading[] = [];
  const sources = new Map<string, ManifestSource>();
  for (const plan of plans) {
    read.push(...(await readView(context, plan)));
    const { name } = plan.view.source;
    const history = plan.versions.at(-1)?.stored.history?.files ?? sources.get(name)?.history ?? [];
    sources.set(name, manifestSource(name, null, history));
  }
  const blocks = context.options.service.blocks.map((block) => read.find((one) => one.block === block)!);
  return { blocks, sources: [...sources.values()] };
}

/** A block while its view is read, version by version. */
interface StagedBlock {
  readonly block: ServiceBlock;
  readonly staging: FeatureStaging;
  /** Of all versions, in the terms of the present definition. */
  readonly reads: BlockReads;
}

async function readView(context: ReadContext, plan: ServedPlan): Promise<BlockReading[]> {
  const { view, layout, versions } = plan;
  const staged: StagedBlock[] = [];
  const counts = emptyCounts();
  try {
    for (const block of blocksOf(context, view)) {
      const staging = await openStaging(context, layout);
      const { number } = placeOf(context.places, block);
      staged.push({ block, staging, reads: blockReads(number, staging, layout.features.length) });
    }
    for (const version of versions) addCounts(counts, await readVersion(context, version, staged, plan));
  } finally {
    for (const { staging } of staged) staging.close();
  }
  const rowsNotServed = await countNotServed(context, versions);
  const readings: BlockReading[] = [];
  for (const { block, staging, reads } of staged) {
    await addNotServed(context, staging, versions);
    const { rowsWithoutState, defaulted } = reads;
    const served = { rowsNotServed, versions: versions.map(manifestVersion) };
    readings.push({ block, table: staging.table, layout, counts, rowsWithoutState, defaulted, served });
  }
  return readings;
}

/** Reads the labels of a version's time, for each block, by the code that served then. */
async function readVersion(
  context: ReadContext,
  version: ServedVersion,
  staged: readonly StagedBlock[],
  { view, layout }: ServedPlan,
): Promise<LogCounts> {
  const { code } = version;
  const then = staged.map(({ staging, reads: { place } }) => {
    const sink = code.layout === layout ? staging : inPresentOrder(code.layout, layout, staging);
    return blockReads(place, sink, code.layout.features.length);
  });
  const sweep = new ViewSweep(code, indexOf(context, view), then);
  addCounts(sweep.counts, await sweepVersion(context, sweep, version));
  const present = presentFeatures(code.layout, layout);
  for (const [index, { reads }] of staged.entries()) {
    const { rowsWithoutState, defaulted } = then[index]!;
    reads.rowsWithoutState += rowsWithoutState;
    for (const [feature, now] of present.entries()) if (now !== undefined) reads.defaulted[now]! += defaulted[feature]!;
  }
  return sweep.counts;
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
    places: context.places.length,
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
): Promise<void> {
  await duckdb.run(
    `INSERT INTO ${staging.table} (row_number) SELECT row_number FROM ${LABELS_TABLE} ${notServed(versions)}`,
    [],
    signal,
  );
}

async function countNotServed({ duckdb }: ReadContext, versions: readonly ServedVersion[]): Promise<number> {
  const [counted] = await duckdb.query<{ n: bigint }>(
    `SELECT count(*) AS n FROM ${LABELS_TABLE} ${notServed(versions)}`,
  );
  return Number(counted?.n);
}

function notServed(versions: readonly ServedVersion[]): string {
  return `WHERE NOT (${versions.length === 0 ? 'false' : versions.map(inRange).join(' OR ')})`;
}
