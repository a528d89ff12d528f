import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { startLifecycle, sendCommand } from '../../cli/lifecycle-client.ts';
import { sendArchiveCommand, startArchive } from '../../cli/archive-client.ts';
import { pauseUpdate, promoteUpdate, retireUpdate } from '../../workflows/feature-lifecycle/contract.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());
afterEach(() => {
  delete process.env['MILLRACE_ACTOR'];
});

function scripted(name: string): { view: string; script: ScriptedActivities } {
  const view = uniqueView(name);
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  return { view, script };
}

const told = ({ noted }: ScriptedActivities): string[] => noted.map(({ actor, action }) => `${actor}: ${action}`);

describe('commands of a lifecycle', () => {
  it('are noted with whom they are from, what was asked, and what came of it; a start once, however many runs there are', async () => {
    const { view, script } = scripted('noted');
    process.env['MILLRACE_ACTOR'] = 'ana';
    await startLifecycle(harness.client, view, { maxHistoryEvents: 60 }, harness.taskQueue);
    const handle = harness.client.workflow.getHandle(`feature:${view}`);
    await harness.reach(handle, 'published');
    process.env['MILLRACE_ACTOR'] = 'bo';
    await sendCommand(harness.client, view, 'promote');
    await harness.reach(handle, 'streaming');
    // As the Temporal UI does.
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    await sendCommand(harness.client, view, 'resume');
    await harness.reach(handle, 'streaming');
    const { runId } = await handle.describe();
    await handle.cancel();
    await eventually(async () => (await handle.describe()).runId !== runId);
    await harness.reach(handle, 'paused');
    await handle.executeUpdate(retireUpdate);
    await handle.result();
    expect(told(script)).toEqual([
      'ana: start',
      'bo: promote',
      'temporal-ui: pause',
      'bo: resume',
      'temporal-ui: cancel',
      'temporal-ui: retire',
    ]);
    expect(script.noted[0]).toMatchObject({
      subject: view,
      input: { maxHistoryEvents: 60 },
      result: { outcome: 'accepted' },
    });
    expect(script.noted.slice(1, 4).map(({ result }) => result)).toEqual([
      { outcome: 'accepted', phase: 'catching-up' },
      { outcome: 'accepted', phase: expect.stringMatching(/^paus/) },
      { outcome: 'accepted', phase: expect.any(String) },
    ]);
    expect(new Set(script.noted.map(({ said }) => said)).size).toBe(6);
    for (const { atMs } of script.noted) expect(Math.abs(atMs - Date.now())).toBeLessThan(600_000);
  });

  it('are answered whether or not they can be noted, and the run does not end before they are', async () => {
    const { view, script } = scripted('unnoted');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    script.cannotNote = true;
    expect(await handle.executeUpdate(promoteUpdate)).toMatchObject({ promoted: true });
    await harness.reach(handle, 'streaming');
    expect(await handle.executeUpdate(retireUpdate)).toMatchObject({ phase: 'retiring' });
    await eventually(() => script.named('retireView').length === 1);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    script.cannotNote = false;
    expect(await handle.result()).toMatchObject({ phase: 'retired' });
    // Each is tried for itself.
    expect(told(script).toSorted()).toEqual(['temporal-ui: promote', 'temporal-ui: retire', 'temporal-ui: start']);
  });

  it('of a run that began in the release before are not noted, and it goes on; those of its next run are', async () => {
    await harness.stopWorker();
    await harness.startWorker(activitiesOf(scripts), 'audit-events');
    const { view, script } = scripted('before');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    await handle.executeUpdate(pauseUpdate);
    await harness.stopWorker();
    await harness.startWorker(activitiesOf(scripts));
    expect(script.noted).toEqual([]);
    await sendCommand(harness.client, view, 'resume');
    await harness.reach(handle, 'published');
    await sendCommand(harness.client, view, 'retire');
    await handle.result();
    expect(script.noted.map(({ action }) => action)).toEqual(['resume', 'retire']);
  });
});

it('commands of an archive are noted', async () => {
  const source = uniqueView('clicks');
  const script = new ScriptedActivities(source);
  script.archivePlan = { source, topic: 'clicks', generation: 0 };
  scripts.set(source, script);
  process.env['MILLRACE_ACTOR'] = 'ana';
  await startArchive(harness.client, source, harness.taskQueue, { sliceSeconds: 5 });
  const handle = harness.client.workflow.getHandle(`archive:${source}`);
  await eventually(() => script.noted.length === 1);
  await sendArchiveCommand(harness.client, source, harness.taskQueue, 'pause');
  await sendArchiveCommand(harness.client, source, harness.taskQueue, 'stop');
  await handle.result();
  expect(told(script)).toEqual(['ana: start', 'ana: pause', 'ana: stop']);
  expect(script.noted[0]).toMatchObject({ subject: source, input: { sliceSeconds: 5 } });
});
