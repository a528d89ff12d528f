import type { LogEvent } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { BYTES_PER_HELD_KEY, type EntityIndex } from './entity-index.ts';
import { evenRanges, halves, type HashRange } from './hash-range.ts';
import { LabelCursor, type TimeRange } from './spine-labels.ts';
import type { SweepMemory } from './sweep-memory.ts';
import type { ViewSweep } from './view-sweep.ts';

/** Events applied between two looks at what the states take. */
const CHECK_EVERY = 16_384;

/** A part of a source's work: the entities of a range, from a label on. */
interface Pass {
  readonly range: HashRange;
  /** Labels before this position were read in an earlier pass. */
  readonly fromLabel: number;
}

export interface SweepProgress {
  /** Labels read in this pass. */
  readonly rows: number;
  /** Events taken since the last report. */
  readonly events: number;
  /** From 1; `passes` as known so far. */
  readonly pass: number;
  readonly passes: number;
  /** Of this pass, from 0 to 1; null: unknown. */
  readonly fraction: number | null;
}

/** Events in the order in which labels come to see them. */
export interface SweepBatch {
  readonly events: readonly LogEvent[];
  /** Labels from this time on see all of them, epoch µs; never falls. Null: each is seen by labels after its own event time. */
  readonly seenFromUs: number | null;
}

/** One scan of the events of a sweep; its figures are known once the batches have ended. */
export interface SweepScan<Figures> {
  batches(): AsyncIterable<SweepBatch>;
  readonly figures: Figures;
}

export interface SweepOptions<Figures> {
  readonly views: readonly ViewSweep[];
  /** How many ids a label has. */
  readonly places: number;
  readonly duckdb: DuckDb;
  readonly memory: SweepMemory;
  readonly signal: AbortSignal;
  /** The labels to read; all where left out. */
  readonly labels?: TimeRange | undefined;
  /** A new scan of the events, the same each time. Tells how much of it is done, from 0 to 1, where it knows. */
  scan(onFraction: (fraction: number) => void): SweepScan<Figures>;
  onProgress(progress: SweepProgress): void;
}

/**
 * Reads every label for every view at hand, in one pass over the events in the order labels see them where the states fit in memory, else in
 * several: when the budget is passed, half of the entities at hand are let go and taken up by a later pass, from that label on.
 * A label is read before the first event that it does not see is applied. Gives the figures of the first, whole scan.
 */
export async function sweepSource<Figures>(options: SweepOptions<Figures>): Promise<Figures> {
  const used = [...new Set(options.views.map(({ index }) => index))];
  const keyCount = used.reduce((sum, index) => sum + index.size, 0);
  const { views, memory } = options;
  const perPass = memory.forKeys(keyCount * BYTES_PER_HELD_KEY) / BYTES_PER_HELD_KEY;
  const decodedBytes = memory.decodedBytes(views.length);
  for (const view of views) view.begin(decodedBytes, memory.slabBytes);
  const waiting: Pass[] = evenRanges(keyCount, perPass).map((range) => ({ range, fromLabel: 0 }));
  let figures: { readonly of: Figures } | null = null;
  for (let number = 1; ; number++) {
    const pass = waiting.shift();
    if (pass === undefined) break;
    for (const index of used) await index.load(options.duckdb, pass.range, options.signal);
    for (const view of views) view.clear();
    const isFirst = figures === null;
    if (!isFirst && used.every((index) => index.heldCount === 0)) continue;
    let fraction: number | null = null;
    const scan = options.scan((done) => {
      fraction = done;
    });
    const report = (rows: number, events: number, deferred: number): void =>
      options.onProgress({ rows, events, pass: number, passes: number + waiting.length + deferred, fraction });
    waiting.push(...(await runPass(options, used, scan, pass, isFirst, report)));
    figures ??= { of: scan.figures };
  }
  for (const view of views) view.begin(0, 0);
  return figures!.of;
}

async function runPass(
  options: SweepOptions<unknown>,
  used: readonly EntityIndex[],
  scan: SweepScan<unknown>,
  pass: Pass,
  isFirst: boolean,
  report: (rows: number, events: number, deferred: number) => void,
): Promise<Pass[]> {
  const { views, signal, memory } = options;
  const readers = views.flatMap((view) => view.blocks.map((block) => ({ view, block })));
  const counters = views.map((view) => (isFirst ? view.counts : null));
  const labels = await LabelCursor.open(options.duckdb, options.places, signal, options.labels);
  const deferred: Pass[] = [];
  let range = pass.range;
  let sinceCheck = 0;

  const readLabel = (): void => {
    if (labels.position < pass.fromLabel) return;
    for (const { view, block } of readers) {
      const id = labels.entityId(block.place);
      if (view.index.holds(id)) view.read(block, id, labels.timeUs, labels.rowNumber);
    }
  };

  /** Lets half of the entities go while the states are beyond the budget. */
  const keepBudget = (): void => {
    sinceCheck = 0;
    const bytes = (): number => views.reduce((sum, view) => sum + view.bytes(CHECK_EVERY), 0);
    while (!memory.holdsStates(bytes())) {
      const parts = halves(range);
      if (parts === null || used.every((index) => index.heldCount <= 1)) return;
      const [kept, later] = parts;
      for (const index of used) {
        index.narrow(kept, (id) => {
          for (const view of views) if (view.index === index) view.drop(id);
        });
      }
      for (const view of views) view.pack();
      memory.settle(bytes());
      deferred.push({ range: later, fromLabel: Math.max(pass.fromLabel, labels.position) });
      range = kept;
    }
  };

  try {
    for await (const { events, seenFromUs } of scan.batches()) {
      signal.throwIfAborted();
      for (const event of events) {
        const seenUs = seenFromUs ?? event.eventTimeUs + 1;
        while (labels.timeUs < seenUs) {
          readLabel();
          if (!labels.advance()) await labels.fill();
        }
        for (let v = 0; v < views.length; v++) if (views[v]!.apply(event, counters[v]!)) sinceCheck++;
        if (sinceCheck >= CHECK_EVERY) keepBudget();
      }
      report(labels.position, events.length, deferred.length);
      // A later pass needs no more than the labels ask for; the first one also counts the whole log.
      if (!isFirst && labels.timeUs === Number.POSITIVE_INFINITY) break;
    }
    while (labels.timeUs < Number.POSITIVE_INFINITY) {
      readLabel();
      if (!labels.advance()) await labels.fill();
      signal.throwIfAborted();
    }
    report(labels.position, 0, deferred.length);
  } finally {
    await labels.close();
  }
  return deferred;
}
