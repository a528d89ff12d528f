import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import {
  approveUpdate,
  engineSignal,
  type LifecycleStatus,
  pauseUpdate,
  promoteUpdate,
  rebackfillUpdate,
  resumeUpdate,
  retireUpdate,
} from '../../workflows/feature-lifecycle/contract.ts';
import { UPGRADES } from '../../workflows/other-release.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';
import { BEFORE, NOW, ScriptedFleet, SEMANTICS } from './scripted-fleet.ts';

let harness: LifecycleHarness;
const fleets = new Map<string, ScriptedFleet>();
const activities = activitiesOf({ get: (view: string) => fleets.get(view) });

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activities);
});
afterAll(() => harness.close());

function scripted(name: string): { view: string; fleet: ScriptedFleet; script: ScriptedActivities } {
  const view = uniqueView(name);
  const script = new ScriptedActivities(view);
  const fleet = new ScriptedFleet(script);
  fleets.set(view, fleet);
  return { view, fleet, script };
}

const options = { sliceSeconds: 1 };
const news = { semantics: SEMANTICS, lag: 17 };

/** A view that the release before streams. */
async function streaming(name: string): Promise<{ handle: WorkflowHandle; fleet: ScriptedFleet }> {
  const { view, fleet } = scripted(name);
  const handle = await harness.start(view, options);
  await handle.executeUpdate(promoteUpdate);
  await harness.reach(handle, 'streaming');
  return { handle, fleet };
}

/** Every value FeaturePhase has had, in order. */
async function phasesOf(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  const phases: string[] = [];
  for (const event of events ?? []) {
    const { indexedFields } = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes ?? {};
    const payload = indexedFields?.['FeaturePhase']?.data;
    if (payload != null) phases.push(JSON.parse(Buffer.from(payload).toString()) as string);
  }
  return phases;
}

async function retired(handle: WorkflowHandle): Promise<void> {
  await handle.executeUpdate(retireUpdate);
  await handle.result();
}

function isUpgraded({ version, phase }: LifecycleStatus): boolean {
  return version === 2 && phase === 'streaming';
}

describe('an upgrade of the semantics', () => {
  it('builds what a stream goes on with, proves it and flips, without a command', async () => {
    const { handle, fleet } = await streaming('refused');
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    // An activity without an end would hold up the worker of the tests after this one.
    onTestFinished(() => release());
    fleet.holding = { backfillView: held };
    fleet.taker = () => 'now';
    const status = await harness.reach(handle, 'upgrading');
    expect(status).toMatchObject({ version: 1, promoted: true, error: null, upgrade: { to: SEMANTICS } });
    // By what semantics the served version was built, a worker of this release says when it plans.
    await harness.until(handle, ({ upgrade }) => upgrade?.from === 1);
    await handle.signal(engineSignal, news);
    await harness.until(handle, ({ lag }) => lag === news.lag);
    expect((await handle.describe()).searchAttributes).toMatchObject({ FeaturePhase: ['upgrading'] });
    // It stands still: nothing was asked of the stream since it was refused and fenced.
    await eventually(() => fleet.script.named('fenceStream').length > 0);
    const { length } = fleet.script.slices();
    release();
    const upgraded = await harness.until(handle, isUpgraded);
    expect(upgraded).toMatchObject({ fingerprint: NOW, error: null, upgrade: null, proof: { verdict: 'equal' } });
    expect(fleet.live).toMatchObject({ version: 2, semantics: SEMANTICS });
    expect(fleet.script.named('asked now to build')).toMatchObject([{ input: { fingerprint: NOW, covers: 1 } }]);
    const later = fleet.script.slices().slice(length);
    expect(new Set(later.map(({ version }) => version))).toEqual(new Set([2]));
    expect(await phasesOf(handle)).not.toContain('failed');
    await retired(handle);
  });

  it('reaches a view that nobody streams, once a worker tells of it', async () => {
    const { view, fleet } = scripted('idle');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    fleet.taker = () => 'now';
    await handle.signal(engineSignal, news);
    const status = await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'published');
    expect(status).toMatchObject({ promoted: false, error: null, upgrade: null });
    // Told again, as by a worker that had not seen it yet, it does nothing.
    await handle.signal(engineSignal, news);
    expect((await harness.status(handle)).phase).toBe('published');
    expect(fleet.script.named('asked now to build')).toHaveLength(1);
    await retired(handle);
  });

  it('flips nobody to a shorter log unasked', async () => {
    const { handle, fleet } = await streaming('shorter');
    fleet.coverage = scriptedFailure('offsets-gone');
    fleet.taker = () => 'now';
    const waiting = await harness.until(handle, ({ error }) => error !== null);
    expect(waiting).toMatchObject({ phase: 'upgrading', version: 1, error: { code: 'offsets-gone' } });
    expect(waiting.accepts).toEqual(['pause', 'rebackfill', 'retry', 'retire']);
    expect(fleet.live).toMatchObject({ version: 1 });
    await handle.executeUpdate(rebackfillUpdate);
    await harness.until(handle, isUpgraded);
    const asked = fleet.script.named('asked now to build').map(({ input }) => 'covers' in (input as object));
    expect(asked).toEqual([true, false]);
    expect(await phasesOf(handle)).not.toContain('failed');
    await retired(handle);
  });

  it('does not take a changed definition along', async () => {
    const { handle, fleet } = await streaming('changed-too');
    fleet.former = 'fingerprint-of-another-definition';
    fleet.taker = () => 'now';
    const waiting = await harness.until(handle, ({ error }) => error !== null);
    expect(waiting).toMatchObject({ phase: 'upgrading', version: 1, error: { code: 'definition-changed' } });
    expect(fleet.script.named('asked now to build')).toEqual([]);
    await handle.executeUpdate(rebackfillUpdate);
    // A person said to build it, and says when it is served.
    const built = await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
    expect(built).toMatchObject({ phase: 'upgrading', version: 1, error: null });
    await handle.executeUpdate(approveUpdate, { args: [{}] });
    expect(await harness.until(handle, isUpgraded)).toMatchObject({ previous: { version: 1 } });
    expect(fleet.script.named('asked now to build')).toHaveLength(1);
    await retired(handle);
  });

  it('waits while the view is paused', async () => {
    const { handle, fleet } = await streaming('paused');
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    fleet.taker = () => 'now';
    await handle.signal(engineSignal, news);
    await harness.until(handle, ({ upgrade }) => upgrade !== null);
    expect(await harness.status(handle)).toMatchObject({ phase: 'paused', version: 1 });
    expect(fleet.script.named('asked now to build')).toEqual([]);
    await handle.executeUpdate(resumeUpdate);
    await harness.until(handle, isUpgraded);
    await retired(handle);
  });

  it('goes on over continue-as-new', async () => {
    const { view, fleet } = scripted('carried');
    const handle = await harness.start(view, { ...options, maxHistoryEvents: 40 });
    await harness.reach(handle, 'published');
    fleet.coverage = scriptedFailure('offsets-gone');
    fleet.taker = () => 'now';
    const latest = harness.client.workflow.getHandle(handle.workflowId);
    const { runId } = await latest.describe();
    for (let lag = 1; ((await latest.describe()).historyLength ?? 0) < 40; lag++) {
      await latest.signal(engineSignal, { ...news, lag });
      await harness.until(latest, (status) => status.lag === lag);
    }
    await eventually(async () => (await latest.describe()).runId !== runId);
    expect(await harness.status(handle)).toMatchObject({ phase: 'upgrading', error: { code: 'offsets-gone' } });
    fleet.coverage = null;
    await latest.executeUpdate(rebackfillUpdate);
    await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'published');
    await retired(latest);
  });

  it('takes over what is served that no lifecycle owned, and upgrades it', async () => {
    const { view, fleet } = scripted('adopted');
    fleet.live = { version: 1, fingerprint: BEFORE, semantics: 1, rows: 1, entities: 1, publishedAtMs: 1 };
    // The number of the next version is 2.
    await fleet.script.activities().backfillView({ view, fingerprint: BEFORE });
    fleet.taker = () => 'now';
    const handle = await harness.start(view);
    await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'published');
    expect(fleet.script.named('asked now to build')).toMatchObject([{ input: { covers: 1 } }]);
    await retired(handle);
  });
});

describe('workers of both releases on one queue', () => {
  it('stop, flap and corrupt nothing, whoever takes what', async () => {
    const { handle, fleet } = await streaming('mixed');
    const turns = new Map<string, number>();
    // Each kind of work is taken by the release before first, then by turns.
    fleet.taker = (name) => {
      const turn = (turns.get(name) ?? 0) + 1;
      turns.set(name, turn);
      return turn % 2 === 1 ? 'before' : 'now';
    };
    await handle.signal(engineSignal, news);
    await harness.until(handle, isUpgraded);
    await eventually(() => fleet.script.slices().filter(({ version }) => version === 2).length > 3);
    expect(await harness.status(handle)).toMatchObject({ version: 2, fingerprint: NOW, error: null });
    expect(await phasesOf(handle)).not.toContain('failed');
    // What the release before was asked to build with this one's definition, it did not.
    expect(fleet.script.named('asked before to build').length).toBeGreaterThan(0);
    expect(fleet.live).toMatchObject({ version: 2, semantics: SEMANTICS });
    await retired(handle);
  });

  it('build a new view, whichever of them it is planned and built by', async () => {
    const { view, fleet } = scripted('mixed-first');
    const turns: Record<string, ('before' | 'now')[]> = {
      // Planned by the one before, and given to one of now to build; then the other way round; then by one of now throughout.
      resolveView: ['before', 'now', 'now'],
      backfillView: ['now', 'before', 'now'],
    };
    fleet.taker = (name) => turns[name]?.shift() ?? 'now';
    const handle = await harness.start(view);
    const status = await harness.until(handle, ({ phase }) => phase === 'published');
    expect(status).toMatchObject({ version: 1, fingerprint: NOW, error: null });
    expect(await phasesOf(handle)).not.toContain('failed');
    await retired(handle);
  });

  it('recover what workflow code of the release before took for a failure', async () => {
    await harness.stopWorker();
    await harness.startWorker(activities, UPGRADES);
    const { handle, fleet } = await streaming('recovered');
    fleet.taker = () => 'now';
    // As the release before has it: an error that it does not know, for a person. The news it passes over.
    await harness.reach(handle, 'failed');
    await handle.signal(engineSignal, news);
    expect(await harness.status(handle)).toMatchObject({ phase: 'failed', error: { code: 'semantics-retired' } });
    await harness.stopWorker();
    await harness.startWorker(activities);
    await handle.signal(engineSignal, news);
    await harness.until(handle, isUpgraded);
    await retired(handle);
  });
});
