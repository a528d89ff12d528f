import {
  batch,
  batchOptions,
  CERTAIN,
  certain,
  QUICK,
  quick,
  resumableOptions,
  stream,
  streamOptions,
} from '../activity-profiles.ts';
import type { AuditSummary } from '../audit-parity/contract.ts';
import type {
  BackfillInput,
  BackfillSummary,
  LifecycleOptions,
  LiveVersion,
  SliceInput,
  SliceSummary,
  SwitchSummary,
  ViewPlan,
} from './contract.ts';
import type { StreamKind } from './state.ts';
import type { DiffInput, DiffSummary } from './version-diff.ts';

/** What a lifecycle asks of activities, each with the line that the UI's timeline shows for it. */

export function lookUp(view: string): Promise<ViewPlan> {
  return quick.resolveView.executeWithOptions({ ...QUICK, summary: `look up ${view}` }, [{ view }]);
}

export function backfill(input: BackfillInput): Promise<BackfillSummary> {
  return batch.backfillView.executeWithOptions(resumableOptions(`backfill ${input.view}`), [input]);
}

/** @param by `flipView`, which workers of the first release do not have, or `publishView` in runs of that release */
export async function publish(by: 'publishView' | 'flipView', view: string, version: number): Promise<void> {
  await quick[by].executeWithOptions({ ...QUICK, summary: `publish ${view} v${version}` }, [{ view, version }]);
}

/** How readers are flipped. */
export interface FlipManner {
  /** However far behind the version is. */
  readonly isStale: boolean;
  /** Whether models in use may be left without their features. */
  readonly mayStrand: boolean;
}

/** How far behind the served version one may be that takes over: beyond both, readers would step back in time. */
const BEHIND_AT_MOST = { records: 1000, seconds: 60 };

const HOUR_MS = 3_600_000;

export async function switchReaders(
  view: string,
  version: number,
  { keepPreviousHours }: Pick<LifecycleOptions, 'keepPreviousHours'>,
  { isStale, mayStrand }: FlipManner,
): Promise<SwitchSummary> {
  const input = {
    view,
    version,
    keepMs: Math.round(keepPreviousHours * HOUR_MS),
    behindAtMost: isStale ? null : BEHIND_AT_MOST,
    models: mayStrand ? ('strand' as const) : ('keep' as const),
  };
  return await quick.switchVersion.executeWithOptions({ ...QUICK, summary: `serve ${view} v${version}` }, [input]);
}

export async function drop(view: string, version: number): Promise<void> {
  await certain.dropVersion.executeWithOptions({ ...CERTAIN, summary: `drop ${view} v${version}` }, [
    { view, version },
  ]);
}

export function diff(input: DiffInput): Promise<DiffSummary> {
  const { view, before, after } = input;
  return batch.diffVersions.executeWithOptions(batchOptions(`compare ${view} v${before} with v${after}`), [input]);
}

export function discardUnfinished(view: string): Promise<void> {
  return certain.discardUnfinished({ view });
}

export function runSlice(kind: StreamKind, input: SliceInput): Promise<SliceSummary> {
  const { view, version, shard, shards, until, budgetMs } = input;
  const verb = kind === 'refresh' ? 'bring up to now' : until === 'forever' ? 'stream' : 'catch up';
  const summary = `${verb}: ${view} v${version}${shards > 1 ? ` shard ${shard + 1}/${shards}` : ''}`;
  return stream.runStreamSlice.executeWithOptions(streamOptions(budgetMs, summary), [input]);
}

export function prove(view: string, live: LiveVersion, entities: number): Promise<AuditSummary> {
  const { version, fingerprint } = live;
  return batch.provePromotion.executeWithOptions(batchOptions(`prove the promotion of ${view} v${version}`), [
    { view, version, fingerprint, entities },
  ]);
}

export async function fence(view: string, version: number, generation: number): Promise<void> {
  await certain.fenceStream.executeWithOptions({ ...CERTAIN, summary: `fence the stream of ${view} v${version}` }, [
    { view, version, generation },
  ]);
}

export async function takeFromReaders(view: string): Promise<void> {
  await certain.retireView.executeWithOptions({ ...CERTAIN, summary: `take ${view} from its readers` }, [{ view }]);
}
