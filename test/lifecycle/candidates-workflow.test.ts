import { Context } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  appliedSignal,
  approveUpdate,
  discardUpdate,
  type LifecycleStatus,
  pauseUpdate,
  promoteUpdate,
  rebackfillUpdate,
  resumeUpdate,
  retireUpdate,
  rollbackUpdate,
  type SwitchInput,
} from '../../workflows/feature-lifecycle/contract.ts';
import { eventually, LifecycleHarness, pageOf, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

interface Started {
  readonly handle: WorkflowHandle;
  readonly script: ScriptedActivities;
}

/** A view whose first version is served and streams. */
async function streaming(name: string, options: Readonly<Record<string, unknown>> = {}): Promise<Started> {
  const view = uniqueView(name);
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  const started = await harness.start(view, options);
  const handle = harness.client.workflow.getHandle(started.workflowId);
  await harness.reach(handle, 'published');
  await handle.executeUpdate(promoteUpdate);
  await harness.reach(handle, 'streaming');
  return { handle, script };
}

/** Applies a definition. */
async function apply(
  { handle, script }: Started,
  applyNumber: number,
  more: { approval?: 'auto' } = {},
): Promise<void> {
  const fingerprint = `fingerprint-${applyNumber}`;
  script.plan = { ...script.plan, fingerprint };
  await handle.signal(appliedSignal, { applyNumber, fingerprint, ...more });
}

/** And its version is built, and has caught up. */
async function offered(started: Started, applyNumber: number): Promise<LifecycleStatus> {
  await apply(started, applyNumber);
  return await harness.until(
    started.handle,
    ({ candidate }) => candidate?.fingerprint === `fingerprint-${applyNumber}` && candidate.isCaughtUp,
  );
}

async function refusalOf(sent: Promise<unknown>): Promise<{ type: string; message: string }> {
  const error: unknown = await sent.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
  return (error as WorkflowUpdateFailedError).cause as unknown as { type: string; message: string };
}

async function retired({ handle, script }: Started): Promise<void> {
  await handle.executeUpdate(retireUpdate);
  await handle.result();
  expect(script.named('retireView')).toHaveLength(1);
}

function switches(script: ScriptedActivities): number[] {
  return script.named('switchVersion').map(({ input }) => (input as SwitchInput).version);
}

/** The versions whose streams have begun and whose last slice has not been stopped. */
function runningStreams(script: ScriptedActivities): number[] {
  const fenced = new Map<number, number>();
  for (const [at, { name, input }] of script.calls.entries())
    if (name === 'fenceStream') fenced.set((input as { version: number }).version, at);
  const last = new Map<number, number>();
  for (const [at, { name, input }] of script.calls.entries())
    if (name === 'runStreamSlice') last.set((input as { version: number }).version, at);
  return [...last]
    .filter(([version, at]) => at > (fenced.get(version) ?? -1))
    .map(([version]) => version)
    .toSorted();
}

describe('what was applied', () => {
  it('is built aside, streams, is approved, rolled back, approved again, and the old version goes after its time', async () => {
    const started = await streaming('whole', { keepPreviousHours: 4 / 3600 });
    const { handle, script } = started;
    const waiting = await offered(started, 2);
    expect(waiting).toMatchObject({
      version: 1,
      phase: 'streaming',
      candidate: { version: 2, error: null },
      previous: null,
    });
    expect(waiting.accepts).toEqual(expect.arrayContaining(['approve', 'discard']));
    expect(waiting.accepts).not.toContain('rollback');
    expect(await pageOf(handle)).toContain('flips readers from version 1 to version 2, in one transaction');
    expect(script.named('flipView')).toHaveLength(1);
    expect(script.named('fenceStream')).toHaveLength(0);

    const approved = await handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] });
    expect(approved).toMatchObject({ version: 2, candidate: null, previous: { version: 1, isRolledBack: false } });
    expect(approved.notice).toMatch(/Version 2 is served\. Version 1 is kept until/);
    await harness.reach(handle, 'streaming');
    const back = await handle.executeUpdate(rollbackUpdate, { args: [{ version: 1 }] });
    expect(back).toMatchObject({ version: 1, previous: { version: 2, isRolledBack: true } });
    expect(back.accepts).toContain('approve');
    expect((await refusalOf(handle.executeUpdate(rollbackUpdate, { args: [{}] }))).type).toBe('no-previous');
    const again = await handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] });
    expect(again).toMatchObject({ version: 2, previous: { version: 1, isRolledBack: false } });
    expect(switches(script)).toEqual([2, 1, 2]);
    // Whatever was flipped to what: both streams ran on.
    expect(script.named('fenceStream')).toHaveLength(0);
    expect(runningStreams(script)).toEqual([1, 2]);

    await eventually(() => script.named('dropVersion').length === 1);
    expect(script.named('dropVersion')[0]!.input).toMatchObject({ version: 1 });
    expect(runningStreams(script)).toEqual([2]);
    const after = await harness.until(handle, ({ previous }) => previous === null);
    expect(after).toMatchObject({ version: 2, phase: 'streaming', error: null });
    const { type } = await refusalOf(handle.executeUpdate(rollbackUpdate, { args: [{ version: 1 }] }));
    expect(type).toBe('no-previous');
    await retired(started);
  });

  it('is heard once, in order: an older number changes nothing, a newer one takes the place of what waits', async () => {
    const started = await streaming('ordered');
    const { handle, script } = started;
    await offered(started, 5);
    await handle.signal(appliedSignal, { applyNumber: 4, fingerprint: 'fingerprint-4' });
    await handle.signal(appliedSignal, { applyNumber: 5, fingerprint: 'fingerprint-5' });
    await handle.signal<[unknown]>('applied', { applyNumber: 'six' });
    const waiting = await offered(started, 6);
    expect(waiting.candidate).toMatchObject({ version: 3 });
    expect(script.named('backfillView')).toHaveLength(3);
    await eventually(() => script.named('dropVersion').length === 1);
    expect(script.named('dropVersion')[0]!.input).toMatchObject({ version: 2 });
    expect(runningStreams(script)).toEqual([1, 3]);
    // Back to what is served: nothing is built, and what waits goes.
    script.plan = { ...script.plan, fingerprint: 'fingerprint-1' };
    await handle.signal(appliedSignal, { applyNumber: 7, fingerprint: 'fingerprint-1' });
    const without = await harness.until(handle, ({ candidate }) => candidate === null);
    expect(without.notice).toContain('there is nothing to build');
    await eventually(() => script.named('dropVersion').length === 2);
    expect(script.named('backfillView')).toHaveLength(3);
    await retired(started);
  });

  it('takes the place of what is being built of another definition', async () => {
    const started = await streaming('overtaken');
    const { handle, script } = started;
    let builds = 0;
    const { promise: never } = Promise.withResolvers<void>();
    script.backfilling = async () => {
      if (builds++ > 0) return;
      const context = Context.current();
      const beating = setInterval(() => context.heartbeat(), 50);
      await Promise.race([never, context.cancelled]).finally(() => clearInterval(beating));
    };
    await apply(started, 2);
    await eventually(() => builds === 1);
    const waiting = await offered(started, 3);
    expect(waiting.candidate).toMatchObject({ fingerprint: 'fingerprint-3' });
    expect(builds).toBe(2);
    await handle.executeUpdate(discardUpdate, { args: [{ version: waiting.candidate!.version }] });
    await eventually(() => script.named('dropVersion').length === 1);
    expect(await harness.status(handle)).toMatchObject({ candidate: null, version: 1, phase: 'streaming' });
    expect((await refusalOf(handle.executeUpdate(approveUpdate, { args: [{}] }))).type).toBe('no-candidate');
    await retired(started);
  });
});

describe('approve', () => {
  it('is not approved over models in use unless it is said so; going back asks for none', async () => {
    const started = await streaming('strands');
    const { handle, script } = started;
    await offered(started, 2);
    await handle.executeUpdate(approveUpdate, { args: [{}] });
    await handle.executeUpdate(rollbackUpdate, { args: [{}] });
    await handle.executeUpdate(approveUpdate, { args: [{ break: true }] });
    const manners = script.named('switchVersion').map(({ input }) => (input as SwitchInput).models);
    expect(manners).toEqual(['keep', 'strand', 'strand']);
    await retired(started);
  });

  it('is refused of what has not caught up, of another version, and of nothing', async () => {
    const started = await streaming('refused');
    const { handle, script } = started;
    expect(await refusalOf(handle.executeUpdate(approveUpdate, { args: [{}] }))).toMatchObject({
      type: 'no-candidate',
    });
    const { answer } = script;
    script.answer = (input) =>
      input.version === 2 && input.until === 'present-end'
        ? { ended: 'deadline', records: 1, lag: 500_000, watermarkUs: 1 }
        : answer(input);
    await apply(started, 2);
    await harness.until(handle, ({ candidate }) => candidate?.lag === 500_000);
    const behind = await refusalOf(handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] }));
    expect(behind).toMatchObject({
      type: 'candidate-behind',
      message: expect.stringContaining('500,000 records') as string,
    });
    expect(await refusalOf(handle.executeUpdate(approveUpdate, { args: [{ version: 7 }] }))).toMatchObject({
      type: 'not-the-candidate',
    });
    expect(await refusalOf(handle.executeUpdate(approveUpdate, { args: [{ version: 'two' } as never] }))).toMatchObject(
      { type: 'invalid-input' },
    );
    expect(switches(script)).toEqual([]);
    script.answer = answer;
    await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
    // What the database refuses is the answer, and nothing is done.
    script.failing = { switchVersion: scriptedFailure('sql-view-in-use') };
    expect(await refusalOf(handle.executeUpdate(approveUpdate, { args: [{}] }))).toMatchObject({
      type: 'sql-view-in-use',
    });
    expect(await harness.status(handle)).toMatchObject({ version: 1, candidate: { version: 2 }, phase: 'streaming' });
    script.failing = {};
    expect(await handle.executeUpdate(approveUpdate, { args: [{}] })).toMatchObject({ version: 2 });
    await eventually(() => script.noted.filter(({ action }) => action === 'approve').length === 2);
    const approvals = script.noted.filter(({ action }) => action === 'approve');
    expect(approvals.map(({ input, result }) => [input['version'], result['outcome']])).toEqual([
      [2, 'sql-view-in-use'],
      [2, 'accepted'],
    ]);
    await retired(started);
  });

  it('sent twice at once flips once, and is answered twice; another flip meanwhile is refused', async () => {
    const started = await streaming('twice');
    const { handle, script } = started;
    await offered(started, 2);
    const { promise: held, resolve: go } = Promise.withResolvers<void>();
    script.switching = () => held;
    const first = handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] });
    await eventually(() => switches(script).length === 1);
    const second = handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] });
    expect((await refusalOf(handle.executeUpdate(discardUpdate, { args: [{}] }))).type).toBe('command-refused');
    expect((await refusalOf(handle.executeUpdate(rollbackUpdate, { args: [{}] }))).type).toBe('command-refused');
    go();
    expect(await Promise.all([first, second])).toMatchObject([{ version: 2 }, { version: 2 }]);
    expect(await handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] })).toMatchObject({ version: 2 });
    expect(switches(script)).toEqual([2]);
    await retired(started);
  });

  it('a second time gives up what was kept, at once, and says so', async () => {
    const started = await streaming('third');
    const { handle, script } = started;
    await offered(started, 2);
    await handle.executeUpdate(approveUpdate, { args: [{}] });
    await offered(started, 3);
    expect(await pageOf(handle)).toContain('Version 1, which is kept now, goes at once.');
    const third = await handle.executeUpdate(approveUpdate, { args: [{}] });
    expect(third).toMatchObject({ version: 3, previous: { version: 2 } });
    expect(third.notice).toContain('Version 1 is not kept any more: it goes at once.');
    await eventually(() => script.named('dropVersion').length === 1);
    expect(script.named('dropVersion')[0]!.input).toMatchObject({ version: 1 });
    await retired(started);
  });

  it('while the served version is being proven stops that proof, and what is served then is proven', async () => {
    const started = await streaming('proving');
    const { handle, script } = started;
    await offered(started, 2);
    script.proving = async (version) => {
      if (version !== 1) return;
      const context = Context.current();
      const beating = setInterval(() => context.heartbeat(), 50);
      await context.cancelled.finally(() => clearInterval(beating));
    };
    await handle.executeUpdate(approveUpdate, { args: [{}] });
    await handle.executeUpdate(rollbackUpdate, { args: [{}] });
    await harness.reach(handle, 'proving');
    await eventually(() => script.named('provePromotion').length >= 2);
    const approved = await handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] });
    expect(approved).toMatchObject({ version: 2, proof: null });
    expect(await harness.reach(handle, 'streaming')).toMatchObject({ proof: { version: 2, verdict: 'equal' } });
    await retired(started);
  });

  it('of a view that is not promoted brings the version up to the present first', async () => {
    const view = uniqueView('published');
    const script = new ScriptedActivities(view);
    scripts.set(view, script);
    const handle = await harness.start(view, { keepPreviousHours: 0 });
    await harness.reach(handle, 'published');
    script.plan = { ...script.plan, fingerprint: 'fingerprint-2' };
    await handle.executeUpdate(rebackfillUpdate);
    await harness.until(handle, ({ candidate }) => candidate?.version === 2);
    expect(script.slices()).toHaveLength(0);
    const approved = await handle.executeUpdate(approveUpdate, { args: [{}] });
    expect(approved).toMatchObject({ version: 2, phase: 'published', previous: null });
    expect(script.slices().map(({ version, until }) => [version, until])).toEqual([[2, 'present-end']]);
    await eventually(() => script.named('dropVersion').length === 1);
    await retired({ handle, script });
  });
});

describe('what approves itself', () => {
  it('does so where nothing differs, and waits for a person above the limit, who is told', async () => {
    const started = await streaming('auto', { approval: 'auto', autoApproveShare: 0.01 });
    const { handle, script } = started;
    await apply(started, 2);
    await harness.until(handle, ({ version }) => version === 2);
    script.diff = { cells: 1000, differing: 20, features: [{ feature: 'n', cells: 1000, differing: 20 }] };
    await apply(started, 3);
    const waiting = await harness.until(handle, ({ candidate }) => candidate?.judged != null);
    expect(waiting).toMatchObject({ version: 2, phase: 'streaming' });
    expect(waiting.candidate!.judged).toContain(
      '20 of 1,000 cells (2.00 %) differ from version 2, n in 2.00 %; 1.00 %',
    );
    expect(await pageOf(handle)).toContain('Not approved by itself');
    script.diff = { cells: 1000, differing: 0, onlyBefore: ['m'] };
    await apply(started, 4);
    const without = await harness.until(handle, ({ candidate }) => candidate?.judged?.includes('no m') === true);
    expect(without).toMatchObject({ version: 2, candidate: { version: 4 } });
    expect(script.named('diffVersions').map(({ input }) => input)).toMatchObject([
      { before: 1, after: 2 },
      { before: 2, after: 3 },
      { before: 2, after: 4 },
    ]);
    expect(await handle.executeUpdate(approveUpdate, { args: [{}] })).toMatchObject({ version: 4 });
    await retired(started);
  });

  it('does so whatever differs where it was applied so; nothing is compared', async () => {
    const started = await streaming('applied-auto');
    await apply(started, 2, { approval: 'auto' });
    await harness.until(started.handle, ({ version, previous }) => version === 2 && previous?.version === 1);
    expect(started.script.named('diffVersions')).toHaveLength(0);
    await offered(started, 3);
    await retired(started);
  });
});

describe('streams beside the served one', () => {
  it('stop behind fences with a pause, go on with resume, and over new runs, whichever versions there are', async () => {
    const started = await streaming('runs', { maxHistoryEvents: 120, sliceSeconds: 1 });
    const { handle, script } = started;
    await offered(started, 2);
    await handle.executeUpdate(approveUpdate, { args: [{}] });
    await offered(started, 3);
    const first = (await handle.describe()).runId;
    await eventually(async () => (await handle.describe()).runId !== first);
    const status = await harness.until(
      handle,
      ({ phase, candidate }) => phase === 'streaming' && candidate?.isCaughtUp === true,
    );
    expect(status).toMatchObject({ version: 2, candidate: { version: 3 }, previous: { version: 1 } });
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    expect(runningStreams(script)).toEqual([]);
    expect((await refusalOf(handle.executeUpdate(approveUpdate, { args: [{}] }))).message).toContain('paused');
    await handle.executeUpdate(resumeUpdate);
    await harness.until(handle, ({ candidate, phase }) => phase === 'streaming' && candidate?.isCaughtUp === true);
    await eventually(() => runningStreams(script).length === 3);
    expect(await handle.executeUpdate(rollbackUpdate, { args: [{ version: 1 }] })).toMatchObject({
      version: 1,
      previous: { version: 2 },
      candidate: { version: 3 },
    });
    await retired(started);
  });

  it('that fail are told of, and the view is served; retry tries them again', async () => {
    const started = await streaming('aside-failed');
    const { handle, script } = started;
    const { answer } = script;
    script.answer = (input) => {
      if (input.version === 2) throw scriptedFailure('offsets-gone');
      return answer(input);
    };
    await apply(started, 2);
    const failed = await harness.until(handle, ({ candidate }) => candidate?.error != null);
    expect(failed).toMatchObject({ phase: 'streaming', error: null, candidate: { error: { code: 'offsets-gone' } } });
    expect((await refusalOf(handle.executeUpdate(approveUpdate, { args: [{}] }))).message).toContain('offsets-gone');
    script.answer = answer;
    await handle.executeUpdate('retry');
    await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
    await handle.executeUpdate(approveUpdate, { args: [{}] });
    await retired(started);
  });
});
