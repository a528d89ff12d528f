import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import type { ViewStatus } from '../../cli/view-status.ts';
import type { Command, LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';

const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const PARTITION = 1;

let harness: LifecycleHarness;
let world: ClicksWorld;
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(300));
  await world.send(world.make(60));
  await world.startWorker();
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
});

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);
const send = (command: Command): Promise<LifecycleStatus> => sendCommand(harness.client, world.view, command);

async function millrace(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const run = promisify(execFile)(process.execPath, [CLI, ...args], { env: world.variables });
    return { code: 0, ...(await run) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

async function statusOf(): Promise<ViewStatus> {
  const { stdout } = await millrace('status', world.view, '--json');
  const [status] = [JSON.parse(stdout)].flat() as ViewStatus[];
  return status!;
}

async function servedInFull(): Promise<void> {
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
}

describe('a source that breaks its contract while it is streamed', { timeout: 180_000 }, () => {
  it('says so at once where most of the last records of a partition are invalid, and no longer once they are not', async () => {
    await startLifecycle(harness.client, world.view, { catchUpLag: 0, sliceSeconds: 600 }, harness.taskQueue);
    await harness.reach(lifecycle(), 'published');
    await send('promote');
    await harness.reach(lifecycle(), 'streaming');
    // Far below the limit of 100 in 1,000, and no slice would end for minutes.
    await world.sendBroken(15, PARTITION);
    await harness.reach(lifecycle(), 'invalid-input');
    expect(await statusOf()).toMatchObject({ phase: 'invalid-input', mostlyInvalid: [PARTITION], deadLetters: 15 });
    await world.send(world.make(120));
    await harness.reach(lifecycle(), 'streaming');
    expect(await statusOf()).toMatchObject({ phase: 'streaming', mostlyInvalid: [] });
    await servedInFull();
  });

  it('stops beyond the limit with the commonest reasons, across a restart too, and goes on once they are accepted', async () => {
    await world.sendBroken(60, PARTITION);
    await harness.reach(lifecycle(), 'invalid-input');
    // The verdicts are stored with the offset: 75 were invalid before this worker's time.
    await world.stopWorker();
    await world.startWorker();
    await world.sendBroken(60, PARTITION);
    const failed = await harness.reach(lifecycle(), 'failed');
    expect(failed.error).toMatchObject({ code: 'too-many-invalid-records', during: 'stream' });
    expect(failed.error?.message).toMatch(
      new RegExp(`"${world.source}": 101 of the last 1000 records of partition ${PARTITION} are invalid; allowed: 100`),
    );
    expect(failed.error?.message).toMatch(/The commonest reasons: \d+ × .*at: expected .*received "yesterday"/);
    expect(failed.error?.remedy).toContain(`dead-letters accept ${world.source}`);
    const before = await statusOf();

    const unknown = await millrace('dead-letters', 'accept', 'nothing', '--partition', '0', '--until', '5');
    expect(unknown.code).not.toBe(0);
    expect(unknown.stderr).toContain(world.source);
    const end = before.offsets.find(({ partition }) => partition === PARTITION)!.endOffset;
    const range = ['--partition', `${PARTITION}`, '--until', `${end}`];
    const accepted = await millrace('dead-letters', 'accept', world.source, ...range, '--json');
    expect(JSON.parse(accepted.stdout)).toEqual({ source: world.source, partition: PARTITION, until: end });
    await send('retry');
    await eventually(async () => (await statusOf()).deadLetters === 135);
    await world.send(world.make(120));
    await harness.reach(lifecycle(), 'streaming');
    await servedInFull();
  });
});
