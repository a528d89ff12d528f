import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { asActivity } from '../../activities/activity-error.ts';
import type { Activities } from '../../activities/create-activities.ts';
import { internalBug, MillraceError } from '../../engine/errors/millrace-error.ts';
import { archiveStatusQuery } from '../../workflows/archive-source/contract.ts';
import { pauseUpdate, promoteUpdate, retireUpdate } from '../../workflows/feature-lifecycle/contract.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities } from './scripted-activities.ts';

const away = new MillraceError('service-unreachable', 'Postgres at db cannot be reached', {
  remedy: 'Start it.',
  waits: true,
});
const WAITING = { code: 'service-unreachable', message: 'Postgres at db cannot be reached' };

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
/** Activities that fail as the worker's own would, by name. */
const broken = new Map<string, MillraceError>();

/** The scripted activities, those named in `broken` failing. */
function breakable(): Activities {
  const scripted = activitiesOf(scripts);
  const failing =
    <Input, Result>(name: string, rule: 'by-error' | 'always', run: (input: Input) => Promise<Result>) =>
    (input: Input): Promise<Result> =>
      asActivity(rule, async (given: Input) => {
        const error = broken.get(name);
        if (error !== undefined) throw error;
        return await run(given);
      })(input);
  return {
    ...scripted,
    resolveView: failing('resolveView', 'by-error', scripted.resolveView),
    backfillView: failing('backfillView', 'by-error', scripted.backfillView),
    flipView: failing('flipView', 'by-error', scripted.flipView),
    discardUnfinished: failing('discardUnfinished', 'by-error', scripted.discardUnfinished),
    fenceStream: failing('fenceStream', 'always', scripted.fenceStream),
    resolveSource: failing('resolveSource', 'by-error', scripted.resolveSource),
  };
}

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(breakable());
});
afterAll(() => harness.close());

function scripted(name: string): { view: string; script: ScriptedActivities } {
  const view = uniqueView(name);
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  broken.clear();
  return { view, script };
}

describe('what passes is waited for, and said', { timeout: 120_000 }, () => {
  it.each(['resolveView', 'backfillView', 'flipView'])('by a build, at its %s', async (name) => {
    const { view } = scripted('build');
    broken.set(name, away);
    const handle = await harness.start(view);
    const waiting = await harness.reach(handle, 'waiting');
    expect(waiting).toMatchObject({ error: null, waitingFor: WAITING });
    expect((await handle.describe()).searchAttributes).toMatchObject({ FeaturePhase: ['waiting'] });
    broken.clear();
    expect(await harness.reach(handle, 'published')).toMatchObject({ version: 1, waitingFor: null, error: null });
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('by a stream, as its slices tell; what they saw before stays said', async () => {
    const { view, script } = scripted('stream');
    const since = { ...WAITING, sinceMs: 1_000 };
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    await handle.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    let isAway = true;
    const untilNow = script.answer;
    script.answer = (input) => {
      if (input.until === 'present-end') return untilNow(input);
      if (isAway && input.waiting === null)
        return { ended: 'deadline', records: 0, lag: 0, watermarkUs: null, waiting: since };
      if (!isAway && input.waiting !== null)
        return { ended: 'deadline', records: 4, lag: 0, watermarkUs: 2_000_000, waiting: null };
      return null;
    };
    // The slice under way does not know of the new script: pausing ends it.
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    await handle.executeUpdate('resume');
    const waiting = await harness.reach(handle, 'waiting');
    expect(waiting).toMatchObject({ waitingFor: since, lag: 0, watermarkUs: 1_000_000 });
    await eventually(() => script.slices().some((slice) => slice.waiting?.sinceMs === 1_000));
    isAway = false;
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    await handle.executeUpdate('resume');
    expect(await harness.reach(handle, 'streaming')).toMatchObject({ waitingFor: null });
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('by an archive that looks its source up', async () => {
    const { view: source, script } = scripted('archive');
    script.archivePlan = { source, topic: 'clicks', generation: 0 };
    broken.set('resolveSource', away);
    const handle = await harness.client.workflow.start('archiveSource', {
      workflowId: `archive:${source}`,
      taskQueue: harness.taskQueue,
      args: [{ source }],
    });
    await eventually(async () => (await handle.query(archiveStatusQuery)).phase === 'waiting');
    expect(await handle.query(archiveStatusQuery)).toMatchObject({ error: null, waitingFor: WAITING });
    broken.clear();
    await eventually(async () => (await handle.query(archiveStatusQuery)).phase === 'archiving');
    await handle.executeUpdate('stop');
    await handle.result();
  });
});

describe('what does not pass', { timeout: 120_000 }, () => {
  it('but must happen, as a fence: says what stands in its way, and happens once it can', async () => {
    const { view } = scripted('fence');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    await handle.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    broken.set('fenceStream', new MillraceError('database-refused', 'no privilege', { remedy: 'Grant it.' }));
    await handle.executeUpdate(pauseUpdate);
    const pausing = await harness.until(handle, ({ waitingFor }) => waitingFor != null);
    expect(pausing).toMatchObject({ phase: 'pausing', waitingFor: { code: 'database-refused' } });
    broken.clear();
    expect(await harness.reach(handle, 'paused')).toMatchObject({ waitingFor: null });
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });
});

describe('the clean-up of a run that began before builds were kept', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    await harness.stopWorker();
    await harness.startWorker(breakable(), 'kept-builds');
  });

  it("a clean-up's own fault neither hides what broke off the build nor goes on without end", async () => {
    const { view } = scripted('cleanup');
    broken.set('backfillView', new MillraceError('history-unreadable', 'a damaged page', { remedy: 'Replace it.' }));
    broken.set('discardUnfinished', internalBug('not a timestamp: 03/11/2024'));
    const handle = await harness.start(view);
    const failed = await harness.reach(handle, 'failed');
    expect(failed.error).toMatchObject({ code: 'history-unreadable', message: 'a damaged page', during: 'backfill' });
    expect(failed.notice).toContain('could not be removed (internal-bug: not a timestamp: 03/11/2024)');
    broken.clear();
    await handle.executeUpdate('retry');
    await harness.reach(handle, 'published');
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('a clean-up that waits does not hide it either', async () => {
    const { view } = scripted('cleanupwaits');
    broken.set('backfillView', new MillraceError('history-unreadable', 'a damaged page', { remedy: 'Replace it.' }));
    broken.set('discardUnfinished', away);
    const handle = await harness.start(view);
    const waiting = await harness.until(handle, ({ waitingFor }) => waitingFor != null);
    expect(waiting).toMatchObject({ error: { code: 'history-unreadable' }, waitingFor: WAITING });
    broken.clear();
    expect((await harness.until(handle, ({ waitingFor }) => waitingFor === null)).phase).toBe('failed');
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('a retry that is sent while the clean-up waits is heard, and made so after it', async () => {
    const { view } = scripted('cleanupretry');
    broken.set('backfillView', new MillraceError('history-unreadable', 'a damaged page', { remedy: 'Replace it.' }));
    broken.set('discardUnfinished', away);
    const handle = await harness.start(view);
    await harness.until(handle, ({ waitingFor }) => waitingFor != null);
    await handle.executeUpdate('retry');
    broken.clear();
    expect(await harness.reach(handle, 'published')).toMatchObject({ error: null, waitingFor: null });
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });
});
