import { BatchLimit } from '../admission/batch-limit.ts';
import type { ServiceBlock } from '../define/compiled-view.ts';
import { viewsOf } from '../define/service-blocks.ts';
import { addCounts } from '../admission/log-counts.ts';
import type { HistoryFile } from '../history/history-files.ts';
import { type LogScanOptions, scanLog } from '../log/scan-log.ts';
import type { FeatureStaging } from './feature-staging.ts';
import { blocksOf, indexOf, openStaging, type BlockReading, type ReadContext, type Reading } from './reading.ts';
import { placeOf } from './spine-labels.ts';
import { type SweepBatch, type SweepScan, sweepSource } from './sweep-source.ts';
import type { ManifestSource } from './training-types.ts';
import { manifestSource, type ViewsLog } from './view-logs.ts';
import { type BlockReads, blockReads, ViewSweep } from './view-sweep.ts';

/** Reads every label as of the events before it: each log in order of event time, once for all its views. */
export async function readEventTime(context: ReadContext, logs: readonly ViewsLog[]): Promise<Reading> {
  const { options } = context;
  const sweeps: ViewSweep[] = [];
  const stagings = new Map<ServiceBlock, FeatureStaging>();
  const sources: ManifestSource[] = [];
  try {
    for (const view of viewsOf(options.service)) {
      const reads: BlockReads[] = [];
      for (const block of blocksOf(context, view)) {
        const staging = await openStaging(context, view.layout);
        stagings.set(block, staging);
        reads.push(blockReads(placeOf(context.places, block).number, staging, view.layout.features.length));
      }
      sweeps.push(new ViewSweep(view, indexOf(context, view), reads));
    }
    for (const log of logs) {
      const own = sweeps.filter((sweep) => log.views.includes(sweep.view));
      const files = await sweepLog(context, log, own);
      const { source, cut, filesLeftOut, views } = log;
      const isOnly = logs.every((other) => other === log || other.source.name !== source.name);
      const more = {
        ...(isOnly ? {} : { views: views.map(({ name }) => name) }),
        ...(filesLeftOut === 0 ? {} : { filesLeftOut }),
      };
      sources.push(manifestSource(source.name, cut, files, more));
    }
  } finally {
    for (const staging of stagings.values()) staging.close();
  }
  const blocks = options.service.blocks.map((block): BlockReading => {
    const { counts, blocks: reads } = sweeps.find(({ view }) => view === block.view)!;
    const { rowsWithoutState, defaulted } = reads[blocksOf(context, block.view).indexOf(block)]!;
    return { block, table: stagings.get(block)!.table, counts, rowsWithoutState, defaulted };
  });
  return { blocks, sources };
}

async function sweepLog(
  context: ReadContext,
  { source, cut, reads }: ViewsLog,
  views: readonly ViewSweep[],
): Promise<readonly HistoryFile[]> {
  const { options, duckdb, signal } = context;
  const accepted = await context.accepted(source.name);
  for (const sweep of views) sweep.limit = new BatchLimit(source, accepted);
  const figures = await sweepSource({
    views,
    places: context.places.length,
    duckdb,
    memory: context.memory,
    signal,
    scan: (onFraction) =>
      inTimeOrder({
        source,
        cut,
        reads,
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
  return figures.files;
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
