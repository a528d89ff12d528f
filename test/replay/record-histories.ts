/**
 * Records the histories that `replay.test.ts` replays: the lifecycle paths of today's workflow code, on a real Temporal.
 * Run after a deliberate change of workflow code; histories of releases stay, new ones are added beside them.
 *
 *   node test/replay/record-histories.ts [SUFFIX [NAME…]]
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { startTestStack } from '../../stack/test-stack.ts';
import type { Activities } from '../../activities/create-activities.ts';
import { archiveWorkflowId } from '../../workflows/archive-source/contract.ts';
import { appliedSignal, type Command, engineSignal } from '../../workflows/feature-lifecycle/contract.ts';
import { UPGRADES } from '../../workflows/other-release.ts';
import { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { activitiesOf, auditSummary, ScriptedActivities, scriptedFailure } from '../lifecycle/scripted-activities.ts';
import { ScriptedFleet, SEMANTICS } from '../lifecycle/scripted-fleet.ts';
import { textOfHistory } from './history-text.ts';
import { walkCandidates } from './walk-candidates.ts';

const [suffixGiven, ...only] = process.argv.slice(2);
const suffix = suffixGiven === undefined || suffixGiven === '' ? '' : `-${suffixGiven}`;
const isWanted = (name: string): boolean => only.length === 0 || only.includes(name);
const scripts = new Map<string, { activities(): Activities }>();

interface Path {
  readonly name: string;
  readonly options?: Readonly<Record<string, unknown>>;
  walk(harness: LifecycleHarness, handle: WorkflowHandle, script: ScriptedActivities): Promise<void>;
}

async function send(handle: WorkflowHandle, command: Command): Promise<void> {
  await handle.executeUpdate(command);
}

async function retired(handle: WorkflowHandle): Promise<void> {
  await send(handle, 'retire');
  await handle.result();
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

/** Slices, a failure, a pause, a run carried over, a stop. */
async function recordArchive(harness: LifecycleHarness): Promise<void> {
  const source = 'clicks';
  const script = new ScriptedActivities(source);
  script.failing = { runArchiveSlice: scriptedFailure('archive-not-writable') };
  scripts.set(source, script);
  const workflowId = archiveWorkflowId(source);
  const handle = await harness.client.workflow.start('archiveSource', {
    workflowId,
    taskQueue: harness.taskQueue,
    args: [{ source, options: { sliceSeconds: 1, maxHistoryEvents: 80 } }],
  });
  const latest = harness.client.workflow.getHandle(workflowId);
  const reached = async (wanted: string): Promise<void> => {
    while ((await latest.query<{ phase: string }>('status')).phase !== wanted) await delay(50);
  };
  const { runId } = await handle.describe();
  await reached('failed');
  script.failing = { tendArchive: scriptedFailure('archive-file-damaged') };
  await latest.executeUpdate('retry');
  while (script.named('tendArchive').length < 1) await delay(50);
  script.failing = {};
  await latest.executeUpdate('pause');
  await reached('paused');
  await latest.executeUpdate('resume');
  while ((await latest.describe()).runId === runId) await delay(50);
  while (script.named('runArchiveSlice').length < 8) await delay(50);
  await latest.executeUpdate('stop');
  await latest.result();
  await save(harness, workflowId, runId, 'archive');
  await save(harness, workflowId, (await latest.describe()).runId, 'archive-last-run');
}

/** One that finds a difference and tells the lifecycle; one that has nobody to tell; one of a view nobody is served. */
async function recordAudit(harness: LifecycleHarness): Promise<void> {
  const view = 'audited';
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  const lifecycle = await harness.start(view);
  await harness.reach(lifecycle, 'published');
  const audited = async (name: string): Promise<void> => {
    const workflowId = `audit:${view}:${name}`;
    const args = [{ view }];
    await harness.client.workflow.execute('auditParity', { workflowId, taskQueue: harness.taskQueue, args });
    await save(harness, workflowId, undefined, name);
  };
  script.audit = auditSummary({ view, verdict: 'broken', cellsDiffering: 1, causes: { 'store-corruption': 1 } });
  await audited('audit-broken');
  await harness.until(lifecycle, ({ parity }) => parity?.verdict === 'broken');
  await retired(lifecycle);
  await save(harness, lifecycle.workflowId, undefined, 'lifecycle-told-of-audit');
  script.audit = auditSummary({ view });
  await audited('audit-of-no-lifecycle');
  script.audit = { view, verdict: 'not-served', reason: 'it is served to nobody' };
  await audited('audit-not-served');
}

async function save(
  harness: LifecycleHarness,
  workflowId: string,
  runId: string | undefined,
  name: string,
): Promise<void> {
  const history = await harness.client.workflow.getHandle(workflowId, runId).fetchHistory();
  const file = new URL(`./histories/${name}${suffix}.json`, import.meta.url);
  await writeFile(file, `{"workflowId":${JSON.stringify(workflowId)},"history":${textOfHistory(history)}}\n`);
  process.stdout.write(`${name}: ${history.events?.length} events\n`);
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
    if (isWanted('export-training-set')) {
      const script = new ScriptedActivities('delay_model');
      scripts.set('delay_model', script);
      const workflowId = 'export:delay_model:recorded';
      const handle = await harness.client.workflow.start('exportTrainingSet', {
        workflowId,
        taskQueue: harness.taskQueue,
        args: [{ service: 'delay_model', spine: 'labels.parquet', out: 'train.parquet' }],
      });
      await handle.result();
      await save(harness, workflowId, undefined, 'export-training-set');
    }
    if (isWanted('archive')) await recordArchive(harness);
    if (isWanted('audit')) await recordAudit(harness);
  } finally {
    await harness.close();
  }
} finally {
  await stack.stop();
}
