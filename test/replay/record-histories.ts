/**
 * Records the histories that `replay.test.ts` replays: the lifecycle paths of today's workflow code, on a real Temporal.
 * Run after a deliberate change of workflow code; histories of releases stay, new ones are added beside them.
 *
 *   node test/replay/record-histories.ts [SUFFIX [NAME…]]
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { startTestStack } from '../../stack/test-stack.ts';
import { appliedSignal, engineSignal } from '../../workflows/feature-lifecycle/contract.ts';
import { UPGRADES } from '../../workflows/other-release.ts';
import { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { activitiesOf, auditSummary, ScriptedActivities, scriptedFailure } from '../lifecycle/scripted-activities.ts';
import { ScriptedFleet, SEMANTICS } from '../lifecycle/scripted-fleet.ts';
import { recordPairs, recordRollouts, recordTrainings } from './record-loop-workflows.ts';
import { recordArchive, recordAudit, recordExport, recordMonitors } from './record-other-workflows.ts';
import { isWanted, retired, save, scripts, send } from './recording.ts';
import { walkCandidates } from './walk-candidates.ts';

interface Path {
  readonly name: string;
  readonly options?: Readonly<Record<string, unknown>>;
  walk(harness: LifecycleHarness, handle: WorkflowHandle, script: ScriptedActivities): Promise<void>;
}

/** Cancels the newest run, and waits for the next. */
async function cancelled(harness: LifecycleHarness, { workflowId }: WorkflowHandle): Promise<void> {
  const handle = harness.client.workflow.getHandle(workflowId);
  const { runId } = await handle.describe();
  await handle.cancel();
  while ((await handle.describe()).runId === runId) await delay(50);
  await harness.reach(handle, 'paused');
}

const paths: readonly Path[] = [
  {
    name: 'stream-pause-resume-retire',
    async walk(harness, handle) {
      await harness.reach(handle, 'published');
      await send(handle, 'promote');
      await harness.reach(handle, 'streaming');
      await send(handle, 'pause');
      await harness.reach(handle, 'paused');
      await send(handle, 'resume');
      await harness.reach(handle, 'streaming');
      await retired(handle);
    },
  },
  {
    name: 'failed-retry-rebackfill',
    async walk(harness, handle, script) {
      await harness.reach(handle, 'failed');
      script.failing = {};
      await send(handle, 'retry');
      await harness.reach(handle, 'published');
      script.plan = { ...script.plan, fingerprint: 'fingerprint-2' };
      await send(handle, 'rebackfill');
      await harness.until(handle, ({ candidate }) => candidate?.version === 2);
      await send(handle, 'approve');
      await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'published');
      await retired(handle);
    },
  },
  {
    name: 'built-and-kept',
    async walk(harness, handle, script) {
      await harness.reach(handle, 'built');
      await send(handle, 'pause');
      await harness.reach(handle, 'paused');
      await send(handle, 'resume');
      script.failing = {};
      await send(handle, 'retry');
      await harness.reach(handle, 'published');
      script.failing = { runStreamSlice: scriptedFailure('offsets-gone') };
      await send(handle, 'rebackfill');
      await harness.reach(handle, 'built');
      script.failing = {};
      await send(handle, 'rebackfill');
      await harness.until(handle, ({ version, phase }) => version === 3 && phase === 'published');
      await retired(handle);
    },
  },
  {
    name: 'taken-over',
    async walk(harness, handle, script) {
      await harness.reach(handle, 'published');
      while (script.named('discardUnfinished').length < 1) await delay(50);
      await retired(handle);
    },
  },
  {
    name: 'refresh',
    async walk(harness, handle, script) {
      await harness.reach(handle, 'published');
      await send(handle, 'refresh');
      while (script.slices().length < 3) await delay(50);
      await harness.reach(handle, 'published');
      await retired(handle);
    },
  },
  {
    name: 'cancelled-twice',
    options: { shards: 2 },
    async walk(harness, handle) {
      await send(handle, 'promote');
      await harness.reach(handle, 'streaming');
      await cancelled(harness, handle);
      await cancelled(harness, handle);
      const latest = harness.client.workflow.getHandle(handle.workflowId);
      await send(latest, 'resume');
      await harness.reach(latest, 'streaming');
      await retired(latest);
    },
  },
  { name: 'approved-rolled-back', walk: walkCandidates },
  {
    name: 'approved-rolled-back',
    async walk(harness, handle, script) {
      await harness.reach(handle, 'published');
      await send(handle, 'promote');
      await harness.reach(handle, 'streaming');
      const apply = async (applyNumber: number, more: { approval?: 'auto' } = {}): Promise<void> => {
        const fingerprint = `fingerprint-${applyNumber}`;
        script.plan = { ...script.plan, fingerprint };
        await handle.signal(appliedSignal, { applyNumber, fingerprint, ...more });
      };
      await apply(2);
      await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
      await send(handle, 'approve');
      await send(handle, 'rollback');
      await send(handle, 'approve');
      await apply(3);
      await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
      await send(handle, 'discard');
      while (script.named('dropVersion').length < 1) await delay(50);
      await apply(4, { approval: 'auto' });
      await harness.until(handle, ({ version, previous }) => version === 4 && previous?.version === 2);
      while (script.named('dropVersion').length < 2) await delay(50);
      await retired(handle);
    },
  },
  {
    name: 'proof-broken-rebackfill',
    async walk(harness, handle, script) {
      await harness.reach(handle, 'published');
      await send(handle, 'promote');
      await harness.reach(handle, 'failed');
      script.proof = null;
      await send(handle, 'rebackfill');
      await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'streaming');
      await retired(handle);
    },
  },
  {
    name: 'continued-as-new',
    options: { maxHistoryEvents: 30, sliceSeconds: 1 },
    async walk(harness, handle) {
      await harness.reach(handle, 'published');
      await send(handle, 'promote');
      const first = (await handle.describe()).runId;
      const latest = harness.client.workflow.getHandle(handle.workflowId);
      while ((await latest.describe()).runId === first) await delay(50);
      await retired(latest);
    },
  },
];

const PASSES = scriptedFailure('service-unreachable', { engine: 2, waits: true });

/** Builds, cleans up, streams and fences after waits. */
const WAITING: Path = {
  name: 'waited',
  async walk(harness, handle, script) {
    await harness.reach(handle, 'waiting');
    script.failing = { backfillView: scriptedFailure('history-unreadable') };
    await harness.reach(handle, 'failed');
    await send(handle, 'retry');
    await harness.reach(handle, 'published');
    const since = { code: 'database-read-only', message: 'takes no writes', sinceMs: 1_000 };
    const answer = script.answer;
    let waits = 3;
    script.answer = (input) => {
      if (input.until === 'present-end') return answer(input);
      if (waits-- > 0)
        return { ended: 'deadline', records: 0, lag: 0, watermarkUs: null, waiting: waits > 0 ? since : null };
      return null;
    };
    await send(handle, 'promote');
    await harness.reach(handle, 'streaming');
    while (script.slices().filter(({ until }) => until === 'forever').length < 4) await delay(50);
    script.failing = { fenceStream: PASSES };
    await send(handle, 'pause');
    await harness.until(handle, ({ phase, waitingFor }) => phase === 'pausing' && waitingFor != null);
    script.failing = {};
    await harness.reach(handle, 'paused');
    await retired(handle);
  },
};
/** What a lifecycle of the release before becomes under workers of this one, as they answer it. */
const upgrades: readonly (Omit<Path, 'walk'> & {
  walk(harness: LifecycleHarness, handle: WorkflowHandle, fleet: ScriptedFleet): Promise<void>;
})[] = [
  {
    name: 'upgraded-streaming',
    options: { sliceSeconds: 1 },
    async walk(harness, handle, fleet) {
      await send(handle, 'promote');
      await harness.reach(handle, 'streaming');
      fleet.taker = () => 'now';
      await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'streaming');
      await retired(handle);
    },
  },
  {
    name: 'upgraded-published',
    async walk(harness, handle, fleet) {
      await harness.reach(handle, 'published');
      fleet.taker = () => 'now';
      await handle.signal(engineSignal, { semantics: SEMANTICS, lag: 3 });
      await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'published');
      await retired(handle);
    },
  },
  {
    name: 'upgrade-to-a-shorter-log',
    async walk(harness, handle, fleet) {
      await harness.reach(handle, 'published');
      fleet.coverage = scriptedFailure('offsets-gone');
      fleet.taker = () => 'now';
      await handle.signal(engineSignal, { semantics: SEMANTICS, lag: 3 });
      await harness.until(handle, ({ error }) => error !== null);
      await send(handle, 'rebackfill');
      await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'published');
      await retired(handle);
    },
  },
  {
    name: 'upgraded-among-both-releases',
    options: { sliceSeconds: 1 },
    async walk(harness, handle, fleet) {
      await send(handle, 'promote');
      await harness.reach(handle, 'streaming');
      const turns = new Map<string, number>();
      fleet.taker = (name) => {
        turns.set(name, (turns.get(name) ?? 0) + 1);
        return turns.get(name)! % 2 === 1 ? 'before' : 'now';
      };
      await handle.signal(engineSignal, { semantics: SEMANTICS, lag: 3 });
      await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'streaming');
      await retired(handle);
    },
  },
];

/** Workflow code of the release before takes news of semantics for a failure, and passes over others; this one's goes on from there. */
async function recordRecovery(harness: LifecycleHarness): Promise<void> {
  const view = 'upgraded_after_failing';
  const fleet = new ScriptedFleet(new ScriptedActivities(view));
  scripts.set(view, fleet);
  await harness.stopWorker();
  await harness.startWorker(activitiesOf(scripts), UPGRADES);
  const handle = await harness.start(view, { sliceSeconds: 1 });
  await send(handle, 'promote');
  await harness.reach(handle, 'streaming');
  fleet.taker = () => 'now';
  await harness.reach(handle, 'failed');
  await handle.signal(engineSignal, { semantics: SEMANTICS, lag: 3 });
  await harness.status(handle);
  await harness.stopWorker();
  await harness.startWorker(activitiesOf(scripts));
  await handle.signal(engineSignal, { semantics: SEMANTICS, lag: 3 });
  await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'streaming');
  await retired(handle);
  await save(harness, handle.workflowId, undefined, 'upgraded-after-failing');
}

const stack = await startTestStack((line) => process.stderr.write(`${line}\n`));
try {
  const harness = await LifecycleHarness.open({
    databaseUrl: stack.databaseUrl,
    kafkaBrokers: stack.kafka.brokers,
    temporalAddress: stack.temporal.address,
    temporalNamespace: stack.temporal.namespace,
    temporalUiUrl: stack.temporal.uiUrl,
  });
  await harness.startWorker(activitiesOf(scripts));
  try {
    for (const path of [...paths, WAITING].filter(({ name }) => isWanted(name))) {
      const view = path.name.replaceAll('-', '_');
      const script = new ScriptedActivities(view);
      if (path.name === 'built-and-kept') script.failing = { flipView: scriptedFailure('sql-view-in-use') };
      if (path.name === 'taken-over')
        script.plan = {
          ...script.plan,
          live: { version: 4, fingerprint: 'fingerprint-1', rows: 1, entities: 1, publishedAtMs: 1 },
        };
      if (path.name === 'failed-retry-rebackfill')
        script.failing = { backfillView: scriptedFailure('history-unreadable') };
      if (path === WAITING) script.failing = { resolveView: PASSES };
      if (path.name === 'proof-broken-rebackfill')
        script.proof = auditSummary({ view, verdict: 'broken', cellsDiffering: 1, causes: { 'store-corruption': 1 } });
      if (path.name === 'refresh') script.plan = { ...script.plan, refreshMs: 500 };
      scripts.set(view, script);
      const handle = await harness.start(view, path.options);
      const { runId } = await handle.describe();
      await path.walk(harness, handle, script);
      // The first run: of a carried-over lifecycle that is the one that ends in continue-as-new.
      await save(harness, handle.workflowId, runId, path.name);
      const last = await harness.client.workflow.getHandle(handle.workflowId).describe();
      if (last.runId !== runId) await save(harness, handle.workflowId, last.runId, `${path.name}-last-run`);
    }
    for (const path of upgrades.filter(({ name }) => isWanted(name))) {
      const view = path.name.replaceAll('-', '_');
      const fleet = new ScriptedFleet(new ScriptedActivities(view));
      scripts.set(view, fleet);
      const handle = await harness.start(view, path.options);
      await path.walk(harness, handle, fleet);
      await save(harness, handle.workflowId, undefined, path.name);
    }
    if (isWanted('upgraded-after-failing')) await recordRecovery(harness);
    if (isWanted('export-training-set')) await recordExport(harness);
    if (isWanted('archive')) await recordArchive(harness);
    if (isWanted('audit')) await recordAudit(harness);
    if (isWanted('monitors')) await recordMonitors(harness);
    if (isWanted('pairs')) await recordPairs(harness);
    if (isWanted('rollouts')) await recordRollouts(harness);
    if (isWanted('trainings')) await recordTrainings(harness);
  } finally {
    await harness.close();
  }
} finally {
  await stack.stop();
}
