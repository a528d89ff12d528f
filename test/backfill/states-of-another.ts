import type pg from 'pg';
import { runBackfill, type BackfillOptions, type BackfillResult } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { stateTag } from '../../engine/define/state-tag.ts';
import { packedTimeUs } from '../../engine/admission/id-hash.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { spendingView } from '../stream/stream-view.ts';
import { buildFacts } from './build-facts.ts';

const HOUR_US = 3_600_000_000;

/** With the tags that a compiled definition has; `input` as that of every view here whose `prepare` is the same. */
export function tagged(view: CompiledView, input = '0123456789abcdef'): CompiledView {
  const features = Object.fromEntries(
    view.layout.features.map((each) => [each.name, `${each.name}-${view.fingerprint}`.slice(0, 16)]),
  );
  return { ...view, tags: { features, state: stateTag(view.layout), input } };
}

/** One feature renamed, one gone and one more over the same tiles. */
export function changedFeatures(view: CompiledView, fingerprint = 'b'.repeat(64)): CompiledView {
  const [first, second, ...rest] = view.layout.features;
  const more = { ...first!, name: 'purchases_3d', windowUs: 72 * HOUR_US };
  const features: ViewLayout['features'] = [{ ...second!, name: 'spent_in_7d' }, ...rest, more];
  return tagged({ ...view, fingerprint, layout: { ...view.layout, features } });
}

export const purchasesView = (options: Partial<Parameters<typeof spendingView>[0]> = {}): CompiledView =>
  tagged(spendingView({ topic: 'purchases', source: { invalidLimit: { rate: 1, window: 1000 } }, ...options }));

export const build = (options: Omit<BackfillOptions, 'builder'>): Promise<BackfillResult> =>
  runBackfill({ builder: 'test', ...options });

/** `buildFacts`, of the ids those that a record can still repeat. */
export async function livingFacts(
  pool: pg.Pool,
  view: CompiledView,
  version: number,
): Promise<Record<string, unknown>> {
  const { ids, letters, offsets, ...facts } = await buildFacts(pool, view, version);
  const watermarks = new Map(
    (await streamOffsets(pool, view.name, version)).map((at) => [at.partition, at.watermarkUs]),
  );
  const living = Object.entries(ids as Record<string, string[]>).map(([partition, known]) => {
    const fromUs = (watermarks.get(Number(partition)) ?? Number.NEGATIVE_INFINITY) - view.source.dedupeHorizonUs;
    return [partition, [...new Set(known)].filter((id) => timeOf(id) >= fromUs)] as const;
  });
  // A letter's place among its partition's records is for a build to go on from; a stream notes none.
  const told = (letters as object[]).map((letter) => JSON.stringify({ ...letter, number: null })).sort();
  // Whose turn it was is no fact of what was streamed.
  const stands = (offsets as object[]).map((offset) => ({ ...offset, attempt_ms: 0 }));
  return {
    ...facts,
    letters: told,
    offsets: stands,
    ids: Object.fromEntries(living.filter(([, known]) => known.length > 0)),
  };
}

function timeOf(id: string): number {
  const bytes = Buffer.from(id, 'hex');
  return packedTimeUs(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}
