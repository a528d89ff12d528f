import type { CompiledSource } from '../define/compiled-view.ts';
import type { Cut } from '../topic/cut.ts';
import { takeCut } from '../topic/cut.ts';
import { BatchLimit } from '../admission/batch-limit.ts';
import { addCounts } from '../admission/log-counts.ts';
import { type LogScanOptions, scanLog } from '../log/scan-log.ts';
import type { FeatureStaging } from './feature-staging.ts';
import { entityOf, openStaging, type ReadContext, type Reading } from './reading.ts';
import { checkSameHistory } from './repeat-check.ts';
import { type SweepBatch, type SweepScan, sweepSource } from './sweep-source.ts';
import type { ManifestSource } from './training-types.ts';
import { ViewSweep } from './view-sweep.ts';

/** The sources of the views, each once. */
export function sourcesOf({ options }: Pick<ReadContext, 'options'>): CompiledSource[] {
  return [...new Map(options.service.views.map((view) => [view.source.name, view.source])).values()];
}

/** How far each source's log is read: as given, as the manifest to repeat has it, else up to its present end. */
export async function takeCuts({ options }: Pick<ReadContext, 'options'>): Promise<Map<string, Cut | null>> {
  const { cuts, repeatOf, reader, clock } = options;
  const taken = new Map<string, Cut | null>();
  for (const source of sourcesOf({ options })) {
    const given = cuts?.[source.name] ?? repeatOf?.cuts[source.name];
    const none = source.topic === null || reader === null;
    taken.set(source.name, given ?? (none ? null : await takeCut(reader, source.topic, clock)));
  }
  return taken;
}

/** Reads every label as of the events before it: each source's log in order of event time, once for all its views. */
export async function readEventTime(context: ReadContext, cuts: ReadonlyMap<string, Cut | null>): Promise<Reading> {
  const { options } = context;
  const sweeps: ViewSweep[] = [];
  const stagings: FeatureStaging[] = [];
  const sources: ManifestSource[] = [];
  try {
    for (const view of options.service.views) {
      const staging = await openStaging(context, view);
      stagings.push(staging);
      sweeps.push(new ViewSweep(view, context.indexes[entityOf(context, view)]!, staging));
    }
    for (const source of sourcesOf(context)) {
      const views = sweeps.filter((sweep) => sweep.view.source === source);
      const swept = await sweepLog(context, source, cuts.get(source.name) ?? null, views);
      if (options.repeatOf?.mode === 'event-time') checkSameHistory(options.repeatOf, swept);
      sources.push(swept);
    }
  } finally {
    for (const staging of stagings) staging.close();
  }
  const views = sweeps.map((sweep, index) => ({
    view: sweep.view,
    table: stagings[index]!.table,
    counts: sweep.counts,
    rowsWithoutState: sweep.rowsWithoutState,
  }));
  return { views, sources };
}

async function sweepLog(
  context: ReadContext,
  source: CompiledSource,
  cut: Cut | null,
  views: readonly ViewSweep[],
): Promise<ManifestSource> {
  const { options, duckdb, signal } = context;
  const accepted = await context.accepted(source.name);
  for (const sweep of views) sweep.limit = new BatchLimit(source, accepted);
  const figures = await sweepSource({
    views,
    entities: context.indexes,
    entityOf: new Map(views.map((sweep) => [sweep, entityOf(context, sweep.view)])),
    duckdb,
    memory: context.memory,
    signal,
    scan: (onFraction) =>
      inTimeOrder({
        source,
        cut,
        reader: options.reader,
        duckdb,
        listings: context.listings,
        order: 'event-time',
        signal,
        onWait: options.onWait,
        onProgress: ({ phase, rows, totalRows }) => {
          if (phase === 'history' && totalRows !== null) onFraction(rows / totalRows);
        },
        onInvalid: (record) => {
          for (const { limit } of views) limit?.add(record);
        },
      }),
    onProgress: (progress) => context.progress.sweep(progress),
  });
  context.progress.sweepDone();
  for (const view of views) {
    addCounts(view.counts, figures.counts);
    view.limit?.end(figures.counts.records);
  }
  return { source: source.name, cut, history: figures.files };
}

function inTimeOrder(options: LogScanOptions): SweepScan<ReturnType<typeof scanLog>['figures']> {
  const scan = scanLog(options);
  return {
    async *batches(): AsyncGenerator<SweepBatch> {
      for await (const events of scan.batches()) yield { events, seenFromUs: null };
    },
    get figures() {
      return scan.figures;
    },
  };
}
