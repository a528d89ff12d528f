import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runningActivities, sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import type { LocalStack } from '../../stack/local-stack.ts';
import { startTestStack } from '../../stack/test-stack.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

const TIMEOUT_MS = 180_000;

// A stack of its own: others' tests could not bear that its services are frozen.
let stack: LocalStack;
let harness: LifecycleHarness;
let world: ClicksWorld;
const frozen = new Set<number>();

beforeAll(async () => {
  stack = await startTestStack();
  const addresses = {
    databaseUrl: stack.databaseUrl,
    kafkaBrokers: stack.kafka.brokers,
    temporalAddress: stack.temporal.address,
    temporalNamespace: stack.temporal.namespace,
    temporalUiUrl: stack.temporal.uiUrl,
  };
  harness = await LifecycleHarness.open(addresses);
  world = await ClicksWorld.open(addresses, harness.taskQueue);
  world.writeHistory(world.make(1_000));
  await world.startWorker();
  await startLifecycle(harness.client, world.view, { catchUpLag: 0 }, harness.taskQueue);
  await sendCommand(harness.client, world.view, 'promote');
  await streaming();
});
afterAll(async () => {
  for (const pid of frozen) process.kill(pid, 'SIGCONT');
  await world?.close();
  await harness?.close();
  await stack?.stop();
});

async function whileFrozen(service: 'kafka' | 'temporal', work: () => Promise<void>): Promise<void> {
  const pid = stack.pids[service];
  if (pid === undefined) throw new Error(`${service} does not run`);
  process.kill(pid, 'SIGSTOP');
  frozen.add(pid);
  try {
    await work();
  } finally {
    process.kill(pid, 'SIGCONT');
    frozen.delete(pid);
  }
}

/** Waits until an endless slice is under way: between two slices only Temporal can start the next. */
async function streaming(): Promise<void> {
  const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
  await harness.reach(handle, 'streaming');
  await eventually(async () =>
    runningActivities(await handle.describe()).some(({ figures }) => figures['state'] === 'running'),
  );
}

async function servedInFull(): Promise<void> {
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
}

describe('a streaming view', { timeout: TIMEOUT_MS }, () => {
  it('streams on while Temporal is away, and listens to it again afterwards', async () => {
    await whileFrozen('temporal', async () => {
      await world.send(world.make(200));
      await servedInFull();
    });
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await sendCommand(harness.client, world.view, 'pause');
    await harness.reach(handle, 'paused');
    await sendCommand(harness.client, world.view, 'resume');
    await streaming();
  });

  it('loses nothing when all its database connections break', async () => {
    await world.send(world.make(200));
    const { rowCount } = await world.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace-worker' AND datname = current_database()",
    );
    expect(rowCount).toBeGreaterThan(0);
    await world.send(world.make(200));
    await servedInFull();
  });

  it('says that it waits while Kafka is away, and goes on', async () => {
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await whileFrozen('kafka', async () => {
      await eventually(async () =>
        runningActivities(await handle.describe()).some(({ figures }) => figures['state'] === 'waiting'),
      );
    });
    await world.send(world.make(200));
    await servedInFull();
    expect((await harness.status(handle)).error).toBeNull();
  });
});
