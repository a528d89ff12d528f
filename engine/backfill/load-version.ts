import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { Cut } from '../topic/cut.ts';
import { PACKED_ID_BYTES, packedTimeUs } from '../admission/id-hash.ts';
import type { BatchLimit } from '../admission/batch-limit.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { LogScanFigures } from '../log/scan-log.ts';
import { insertDedupeIds, type PackedIds } from '../postgres/dedupe-ids.ts';
import { copyStates, countStates, finishStateTable, type StateRow } from '../postgres/state-table.ts';
import { insertStreamOffsets } from '../postgres/stream-offsets.ts';
import { markBuilt } from '../postgres/view-versions.ts';
import type { ProgressReporter } from './backfill-progress.ts';
import { holdVersion } from './build-attempt.ts';
import { deleteProgress } from './saved-progress.ts';
import { dropSavedStates } from './saved-states.ts';

/** About 1 MB a row. */
const IDS_PER_ROW = 40_000;

export interface LoadOptions {
  readonly view: CompiledView;
  readonly version: number;
  readonly stateTable: string;
  /** Null where no other attempt may go on with it. */
  readonly attemptMs: number | null;
  readonly cut: Cut | null;
  readonly figures: LogScanFigures;
  readonly counts: LogCounts;
  readonly limit: BatchLimit;
  readonly rows: AsyncIterable<StateRow>;
  readonly signal: AbortSignal | undefined;
  readonly progress: ProgressReporter;
}

/** Loads the states and everything the stream starts from; gives the number of entities. To be called inside one transaction. */
export async function loadVersion(client: pg.PoolClient, options: LoadOptions): Promise<number> {
  const { view, version, cut, figures, counts, progress } = options;
  await holdVersion(client, { view: view.name, version, attemptMs: options.attemptMs });
  progress.begin('load');
  const entities = await copyStates(client, options.stateTable, view.layout, watched(options));
  await finishStateTable(client, view.layout, options.stateTable);
  options.signal?.throwIfAborted();
  progress.begin('verify');
  await verifyRows(client, options.stateTable, entities);
  await insertStart(client, options);
  await markBuilt(client, {
    view: view.name,
    version,
    cut,
    history: figures.history === null ? null : { files: figures.files },
    counts,
    entities,
    historyWatermarkUs: figures.history?.newestEventTimeUs ?? null,
  });
  await deleteProgress(client, view.name, version);
  await dropSavedStates(client, options.stateTable);
  return entities;
}

async function* watched({ rows, signal, progress }: LoadOptions): AsyncGenerator<StateRow> {
  let loaded = 0;
  for await (const row of rows) {
    if ((loaded & 1023) === 0) {
      signal?.throwIfAborted();
      progress.loaded(loaded);
    }
    loaded++;
    yield row;
  }
}

async function verifyRows(client: pg.PoolClient, table: string, entities: number): Promise<void> {
  const found = await countStates(client, table);
  if (found !== entities) throw internalBug(`${table} has ${found} rows after ${entities} entities were loaded`);
}

/** Where and how the stream goes on: offsets, watermarks, anchors, known ids. */
async function insertStart(client: pg.PoolClient, { view, version, cut, figures, limit }: LoadOptions): Promise<void> {
  const { topic } = view.source;
  if (topic === null || cut === null) return;
  const ids = figures.partitions.flatMap((part) => packs(view.name, version, topic, part.partition, part.dedupeIds));
  ids.push(...packs(view.name, version, topic, -1, figures.history?.horizonIds ?? new Uint8Array(0)));
  await insertDedupeIds(client, ids);
  await insertStreamOffsets(
    client,
    figures.partitions.map((part) => {
      const ring = limit.ring(part.partition, part.counts.records);
      return {
        view: view.name,
        version,
        topic,
        partition: part.partition,
        nextOffset: part.endOffset,
        endOffset: part.endOffset,
        watermarkUs: part.watermarkUs,
        clusterId: cut.clusterId,
        anchorOffset: part.anchor?.offset ?? null,
        anchorDigest: part.anchor?.digest ?? null,
        begun: part.begun,
        verdicts: ring.pack(),
        mostlyInvalid: ring.isMostlyInvalid,
      };
    }),
  );
}

function packs(view: string, version: number, topic: string, partition: number, packed: Uint8Array): PackedIds[] {
  const step = IDS_PER_ROW * PACKED_ID_BYTES;
  const rows: PackedIds[] = [];
  for (let from = 0; from < packed.length; from += step) {
    const ids = packed.subarray(from, from + step);
    const bytes = new DataView(ids.buffer, ids.byteOffset, ids.byteLength);
    let newestEventTimeUs = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < ids.length; at += PACKED_ID_BYTES) {
      newestEventTimeUs = Math.max(newestEventTimeUs, packedTimeUs(bytes, at));
    }
    rows.push({ view, version, topic, partition, seq: 0, chunk: rows.length, newestEventTimeUs, ids });
  }
  return rows;
}
