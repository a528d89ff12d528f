/** Workers of the release before and of this one on the same queues, over an installation of the release before: see NOTES.md. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { type Command, engineSignal, type Phase } from '../../workflows/feature-lifecycle/contract.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';
import { expected, readOver, RestoredInstallation } from './restored-installation.ts';

const VIEW = 'customer_orders';
let installation: RestoredInstallation;
let api: RunningApi;

beforeAll(async () => {
  installation = await RestoredInstallation.open((line) => process.stderr.write(`${line}\n`));
  api = await startApi({ databaseUrl: installation.stack.databaseUrl });
});
afterAll(async () => {
  await api?.close();
  await installation?.close();
});

async function reach(view: string, version: number, phase: Phase): Promise<void> {
  await eventually(async () => {
    const status = await installation.patientStatus(view);
    return status?.version === version && status.phase === phase;
  });
}

async function send(command: Command, phase: Phase): Promise<void> {
  await installation.send(VIEW, command);
  await reach(VIEW, 2, phase);
}

// Who takes a task is chance, and one that the release before refuses is tried again later and later: some runs take minutes longer than others.
describe('workers of both releases on one queue', { timeout: 1_200_000 }, () => {
  it('stop, flap and corrupt nothing while one goes after the other', async () => {
    const before = await installation.startWorker('previous');
    const [first, second] = expected.later.records['rides']!;
    await installation.write('rides', [first!]);
    // The release before streams as it did, and goes on doing so on the catalog that a worker of this one has migrated, for as long as it holds
    // the lifecycle.
    await eventually(async () => (await installation.read('vehicle_rides')) === 201);
    let now = await installation.startWorker('this');
    await installation.write('rides', [second!]);
    await eventually(async () => {
      const hasLetGo = (await installation.patientStatus('vehicle_rides'))?.phase === 'upgrading';
      return hasLetGo || (await installation.read('vehicle_rides')) === 202;
    });
    // Builds, proofs and slices are taken by either release from now on.
    let other = await installation.startWorker('previous', 'batch,stream');
    // With the last of its workers that run workflows the release before lets go of the lifecycles.
    await installation.stopWorker(before);
    await Promise.all([reach(VIEW, 2, 'streaming'), reach('page_visits', 2, 'published')]);
    await reach('vehicle_rides', 1, 'upgrading');

    // One that comes back finds a catalog that was migrated, and histories that it cannot replay: it does neither harm.
    await installation.stopWorker(other);
    other = await installation.startWorker('previous');
    await send('pause', 'paused');
    await send('resume', 'streaming');

    // A downgrade: for a while there is none of this release. What it built is served, and stands still.
    const { at: servedAt } = expected;
    const served = await readOver(api.url, VIEW, servedAt);
    const offsets = await installation.offsets(VIEW);
    await installation.stopWorker(now);
    await installation.lifecycle(VIEW).signal(engineSignal, { semantics: ENGINE_SEMANTICS, lag: null });
    await eventually(
      async () => ((await installation.lifecycle(VIEW).describe()).raw.pendingWorkflowTask?.attempt ?? 0) > 1,
    );
    const { pendingWorkflowTask } = (await installation.lifecycle(VIEW).describe()).raw;
    expect(await readOver(api.url, VIEW, servedAt)).toEqual(served);
    expect(await installation.offsets(VIEW)).toEqual(offsets);
    expect(pendingWorkflowTask?.attempt).toBeGreaterThan(1);
    now = await installation.startWorker('this');
    await send('pause', 'paused');
    await send('resume', 'streaming');

    await installation.stopWorker(other);
    await installation.write('orders', expected.later.records['orders']!);
    const { at, reads } = expected.later;
    const wanted = reads[VIEW]!.map(({ values }) => values);
    await eventually(async () => (await readOver(api.url, VIEW, at))[0]?.values['orders'] === wanted[0]!['orders']);
    expect((await readOver(api.url, VIEW, at)).map(({ values }) => values)).toEqual(wanted);
    expect(await versions(installation.pool, VIEW)).toMatchObject([
      { version: 2, status: 'live', semantics: ENGINE_SEMANTICS },
      { version: 1, status: 'superseded', semantics: 1 },
    ]);
    expect(await installation.status('vehicle_rides')).toMatchObject({
      phase: 'upgrading',
      version: 1,
      error: { code: 'offsets-gone' },
    });
    for (const view of Object.keys(expected.views)) expect(await installation.phases(view)).not.toContain('failed');
  });
});
