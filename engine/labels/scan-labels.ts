import { mkdir } from 'node:fs/promises';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { holdBatchMemory } from '../memory/duckdb-memory.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { processMemory } from '../memory/process-memory.ts';
import { joinLabels, onceEach } from './join-labels.ts';
import type { LabelCounts, LabelPin, LabelScan, LabelScanOptions, LabelledDecision } from './label-scan.ts';
import { archivedTo, outcomesAsOfUs } from './outcomes-as-of.ts';
import { readLabels } from './read-labels.ts';
import { cutOf, type LogRead } from './read-log.ts';
import { type SortedLabels, sortLabels } from './sort-labels.ts';
import { stageDecisions, stageShadowed } from './stage-decisions.ts';
import { stageOutcomes } from './stage-outcomes.ts';

/** What a scan needs at least, beside its part of DuckDB's memory: rows on their way. */
const LEAST_LABEL_MEMORY: MemoryAmount = { heap: 40 << 20, buffers: 24 << 20 };

/**
 * Finds what became of the decisions of a time: the logs of decisions and of outcomes are read whole, joined and sorted, which spills; then the labels can
 * be read, once. Decisions that are immature by then are counted, and not given.
 *
 * @throws MillraceError `too-many-invalid-records`, `memory-limit-too-small`, and what reading logs does; while iterating `invalid-label`
 * @example
 * const scan = await openLabelScan({ labels, reader, clock: systemClock, spillDir: '/var/tmp', fromUs, untilUs, pool });
 * for await (const batch of scan) for (const { id, row, label } of batch) if (label.kind === 'label') train(row, label.value);
 */
export async function openLabelScan(options: LabelScanOptions): Promise<LabelScan> {
  const { spillDir, signal, onWait, memory = processMemory() } = options;
  signal?.throwIfAborted();
  if (options.duckdb !== undefined) return await scanOver(options, options.duckdb, async () => undefined);
  await mkdir(spillDir, { recursive: true });
  const what = `labels of ${options.labels.name}`;
  const batch = await holdBatchMemory(memory, LEAST_LABEL_MEMORY, what, { signal, onWait });
  let duckdb: DuckDb | null = null;
  const release = async (): Promise<void> => {
    try {
      await duckdb?.close();
    } finally {
      batch.release();
    }
  };
  try {
    duckdb = await openDuckDb({ memory, tempDir: spillDir });
    return await scanOver(options, duckdb, release);
  } catch (error) {
    await release();
    signal?.throwIfAborted();
    throw error;
  }
}

async function scanOver(options: LabelScanOptions, duckdb: DuckDb, release: () => Promise<void>): Promise<LabelScan> {
  const counts = noCounts();
  const { pin, sorted } = await prepare(options, duckdb, counts);
  let isTaken = false;
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await duckdb.run(`DROP TABLE ${sorted.decisions}; DROP TABLE ${sorted.shadowed}; DROP TABLE ${sorted.outcomes}`);
    await release();
  };
  const { labels, signal, onInvalid, onProgress } = options;
  const { asOfUs } = pin;
  const onDecisions = (done: number): void => onProgress?.({ phase: 'labels', done, total: counts.mature });
  const read = { labels, duckdb, sorted, asOfUs, counts, signal, onInvalid, onDecisions };
  return {
    asOfUs,
    pin,
    counts,
    close,
    async *[Symbol.asyncIterator](): AsyncGenerator<LabelledDecision[]> {
      if (isTaken) throw internalBug('a scan of labels is read once');
      isTaken = true;
      try {
        yield* readLabels(read);
      } finally {
        await close();
      }
    },
  };
}

/** Reads both logs and joins them. */
async function prepare(
  options: LabelScanOptions,
  duckdb: DuckDb,
  counts: LabelCounts,
): Promise<{ readonly pin: LabelPin; readonly sorted: SortedLabels }> {
  const { labels, pinned, signal, onProgress } = options;
  const { decisions, outcomes } = labels;
  // First how far outcomes are archived, then where they end: what is archived is never ahead of the ends.
  const archived = await archivedTo(options, outcomes);
  const cuts = {
    decisions: await cutOf(options, decisions, pinned?.decisions),
    outcomes: await cutOf(options, outcomes, pinned?.outcomes),
  };
  const common = { options, duckdb, counts };
  const ofDecisions: LogRead = { ...common, source: decisions, cut: cuts.decisions, phase: 'decisions' };
  const decided = await stageDecisions(ofDecisions);
  const own = { columns: 'shadow_of, wanted', where: 'wanted' };
  const wanted = await onceEach(duckdb, decided.heads, own, counts, signal);
  const behind = await stageShadowed(ofDecisions, wanted);
  const shadowed = await onceEach(duckdb, behind.heads, { ...own, where: '' }, noCounts(), signal);
  const ofOutcomes: LogRead = { ...common, source: outcomes, cut: cuts.outcomes, phase: 'outcomes' };
  const heard = await stageOutcomes(ofOutcomes, archived);
  const latestUs = pinned?.asOfUs ?? (await outcomesAsOfUs(options, outcomes, cuts.outcomes, archived, heard));
  const asOfUs = Math.min(latestUs, options.asOfUs ?? latestUs);
  onProgress?.({ phase: 'join', done: 0, total: null });
  const known = Number.isFinite(asOfUs) ? `known_us <= ${BigInt(Math.floor(asOfUs))}` : 'false';
  const told = await onceEach(duckdb, heard.heads, { columns: 'arrived_us', where: known }, counts, signal);
  const joined = await joinLabels(duckdb, labels, { wanted, shadowed, outcomes: told }, asOfUs, signal);
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${wanted}`);
  counts.decisions = Number(counted!.n);
  counts.mature = joined.mature;
  counts.immature = counts.decisions - joined.mature;
  for (const table of [decided.heads, behind.heads, heard.heads, wanted, shadowed, told])
    await duckdb.run(`DROP TABLE ${table}`);
  const sorted = await sortLabels(
    duckdb,
    joined,
    { wanted: decided.rows, shadowed: behind.rows, outcomes: heard.rows },
    signal,
  );
  return { pin: { ...cuts, asOfUs }, sorted };
}

function noCounts(): LabelCounts {
  return {
    decisions: 0,
    mature: 0,
    immature: 0,
    leftOut: 0,
    labelled: 0,
    afterMaturity: 0,
    arrivedLate: 0,
    duplicates: 0,
    invalid: 0,
  };
}
