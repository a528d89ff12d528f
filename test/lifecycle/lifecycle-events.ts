import type { ParityReport } from '../../workflows/audit-parity/contract.ts';
import type {
  PromotionProof,
  LiveVersion,
  SliceSummary,
  ViewPlan,
} from '../../workflows/feature-lifecycle/contract.ts';
import type { Failure } from '../../workflows/failure.ts';
import { initialState, type LifecycleState } from '../../workflows/feature-lifecycle/state.ts';
import { type LifecycleEvent, type PlainCommand, transition } from '../../workflows/feature-lifecycle/transition.ts';

export const NOW_MS = 1_000_000;

export const plan: ViewPlan = {
  view: 'clicks_1h',
  fingerprint: 'f1',
  entity: 'user',
  source: 'clicks',
  topic: 'clicks',
  history: null,
  features: ['n'],
  refreshMs: null,
  live: null,
  generation: 0,
};
/** What a release that said nothing of semantics published. */
export const servedBefore: LiveVersion = {
  version: 1,
  fingerprint: 'f0',
  rows: 10,
  entities: 2,
  publishedAtMs: NOW_MS,
};
export const failure: Failure = {
  code: 'definition-changed',
  message: 'm',
  remedy: 'r',
  during: 'stream',
  atMs: NOW_MS,
};
export const published = {
  type: 'published',
  built: { version: 1, rows: 10, entities: 2, counts: {} },
  fingerprint: 'f1',
  atMs: NOW_MS,
} as const satisfies LifecycleEvent;

export const backfilled = {
  type: 'backfilled',
  candidate: { built: published.built, fingerprint: 'f1', topic: 'clicks' },
} as const satisfies LifecycleEvent;

export function after(
  events: readonly LifecycleEvent[],
  from: LifecycleState = initialState('clicks_1h', 1),
): LifecycleState {
  return events.reduce(transition, from);
}

export function send(command: PlainCommand): LifecycleEvent {
  return { type: 'command', command };
}

export function built(more: Partial<ViewPlan> = {}): LifecycleState {
  const { topic } = { ...plan, ...more };
  return after([
    { type: 'build-started' },
    { type: 'resolved', plan: { ...plan, ...more } },
    { ...backfilled, candidate: { ...backfilled.candidate, topic } },
    published,
    { type: 'build-ended', failure: null },
  ]);
}

export function slice(more: Partial<SliceSummary> = {}, shard = 0, version = 1): LifecycleEvent {
  const summary: SliceSummary = { ended: 'present-end', records: 5, lag: 0, watermarkUs: 7, ...more };
  return { type: 'slice-ended', version, shard, slice: summary, isCaughtUp: summary.lag <= 10 };
}

export const streamStarted = {
  type: 'stream-started',
  kind: 'stream',
  version: 1,
  atMs: NOW_MS,
} as const satisfies LifecycleEvent;

export function report(more: Partial<ParityReport> = {}): ParityReport {
  return {
    auditId: 1,
    kind: 'audit',
    version: 1,
    verdict: 'equal',
    seq: 3,
    entities: 2,
    cellsCompared: 8,
    cellsDiffering: 0,
    causes: {},
    bounds: { reads: 100, entities: 100 },
    atMs: NOW_MS,
    ...more,
  };
}

export function proven(more: Partial<PromotionProof> = {}): LifecycleEvent {
  const proof: PromotionProof = {
    version: 1,
    verdict: 'equal',
    auditId: 1,
    seq: 3,
    entities: 2,
    cellsCompared: 8,
    cellsDiffering: 0,
    reason: null,
    atMs: NOW_MS,
    ...more,
  };
  const { version, verdict, cellsDiffering } = proof;
  const told =
    verdict === 'unproven'
      ? null
      : report({ version, verdict, cellsDiffering, kind: 'promotion', bounds: { reads: 0, entities: 100 } });
  return { type: 'proof-ended', version, proof, report: told, failure: null };
}
