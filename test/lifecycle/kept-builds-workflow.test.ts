import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type BackfillInput,
  pauseUpdate,
  rebackfillUpdate,
  resumeUpdate,
  retireUpdate,
  retryUpdate,
} from '../../workflows/feature-lifecycle/contract.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

function scripted(name: string): { view: string; script: ScriptedActivities } {
  const view = uniqueView(name);
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  return { view, script };
}

describe('a lifecycle', () => {
  it('keeps what is built when it cannot be published, and publishes it at retry without building again', async () => {
    const { view, script } = scripted('unpublished');
    script.failing = { flipView: scriptedFailure('sql-view-in-use') };
    const handle = await harness.start(view);
    const held = await harness.reach(handle, 'built');
    expect(held).toMatchObject({
      version: null,
      candidate: { version: 1, rows: 100, entities: 10 },
      error: { code: 'sql-view-in-use', during: 'publish', remedy: expect.stringContaining('mend sql-view-in-use') },
    });
    expect((await handle.describe()).searchAttributes).toMatchObject({ FeaturePhase: ['built'] });
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    await handle.executeUpdate(resumeUpdate);
    await harness.reach(handle, 'built');
    script.failing = {};
    await handle.executeUpdate(retryUpdate);
    expect(await harness.reach(handle, 'published')).toMatchObject({ version: 1, candidate: null, error: null });
    expect(script.named('backfillView')).toHaveLength(1);
    expect(script.named('discardUnfinished')).toHaveLength(0);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('builds another at rebackfill, and again where what was built is gone', async () => {
    const { view, script } = scripted('given-up');
    script.failing = { flipView: scriptedFailure('sql-view-in-use') };
    const handle = await harness.start(view);
    await harness.reach(handle, 'built');
    await handle.executeUpdate(rebackfillUpdate);
    const second = await harness.until(handle, ({ phase, candidate }) => phase === 'built' && candidate?.version === 2);
    expect(second.error?.remedy).toContain('Version 2 is built and kept');
    script.failing = { flipView: scriptedFailure('version-not-built') };
    await handle.executeUpdate(retryUpdate);
    expect(await harness.reach(handle, 'failed')).toMatchObject({
      candidate: null,
      error: { code: 'version-not-built' },
    });
    script.failing = {};
    await handle.executeUpdate(retryUpdate);
    expect(await harness.reach(handle, 'published')).toMatchObject({ version: 3 });
    const builds = script.named('backfillView').map(({ input }) => (input as BackfillInput).build?.split('/')[1]);
    expect(builds).toEqual(['0', '1', '1']);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('keeps what it was building over a pause', async () => {
    const { view, script } = scripted('paused-build');
    script.backfilling = (input) =>
      new Promise((_, reject) => {
        if (script.named('backfillView').length > 1) return reject(scriptedFailure('disk-full'));
        const { cancellationSignal } = Context.current();
        const beating = setInterval(() => Context.current().heartbeat(input.build), 50);
        cancellationSignal.addEventListener('abort', () => {
          clearInterval(beating);
          reject(cancellationSignal.reason);
        });
      });
    const handle = await harness.start(view);
    await harness.until(handle, ({ phase }) => phase === 'backfilling');
    await eventually(() => script.named('backfillView').length === 1);
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    await handle.executeUpdate(resumeUpdate);
    await harness.reach(handle, 'failed');
    const builds = script.named('backfillView').map(({ input }) => (input as BackfillInput).build);
    expect(builds).toEqual([builds[0], builds[0]]);
    expect(script.named('discardUnfinished')).toHaveLength(0);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
    expect(script.named('retireView')).toHaveLength(1);
  });

  it('removes what a lifecycle before it had under way, where it takes over what is served', async () => {
    const { view, script } = scripted('adopts');
    const live = { version: 4, fingerprint: 'fingerprint-1', rows: 1, entities: 1, publishedAtMs: 1 };
    script.plan = { ...script.plan, live };
    const handle = await harness.start(view);
    expect(await harness.reach(handle, 'published')).toMatchObject({ version: 4 });
    await eventually(() => script.named('discardUnfinished').length === 1);
    expect(script.named('backfillView')).toHaveLength(0);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });
});
