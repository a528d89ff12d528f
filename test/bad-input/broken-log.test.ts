import { installationNames } from '../../engine/installation/installation-names.ts';
import type { WorkflowHandle } from '@temporalio/client';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { gatherStatus, type ViewStatus } from '../../cli/view-status.ts';
import type { Command, LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import { ClicksWorld, PARTITIONS } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';

let harness: LifecycleHarness;
let world: ClicksWorld;
let admin: Admin;
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  const brokers = [...inject('stack').kafkaBrokers];
  admin = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  world.writeHistory(world.make(300));
  await world.send(world.make(100));
  await world.startWorker();
});
afterAll(async () => {
  await admin?.disconnect();
  await world?.close();
  await harness?.close();
});

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);
const send = (command: Command): Promise<LifecycleStatus> => sendCommand(harness.client, world.view, command);

/** Retention: everything that the topic holds goes. */
async function deleteAll(): Promise<void> {
  const offsets = await admin.fetchTopicOffsets(world.topic);
  const partitions = offsets.map(({ partition, high }) => ({ partition, offset: high }));
  await admin.deleteTopicRecords({ topic: world.topic, partitions });
}

/** What `millrace status` says. */
async function statusOf(): Promise<ViewStatus> {
  const { kafkaBrokers, temporalAddress, temporalNamespace, temporalUiUrl } = inject('stack');
  const [status] = await gatherStatus(
    {
      databaseUrl: world.databaseUrl,
      kafka: { brokers: [...kafkaBrokers] },
      temporal: { address: temporalAddress, namespace: temporalNamespace, uiUrl: temporalUiUrl },
      installation: installationNames(),
    },
    world.view,
  );
  return status!;
}

/** Waits for the failure, and holds what people are told of it. */
async function failedWith(code: string, during: string): Promise<void> {
  const failed = await harness.until(lifecycle(), ({ error, phase }) => phase === 'failed' && error?.code === code);
  expect(failed.error).toMatchObject({ code, during });
  expect(failed.error?.message).toContain(world.topic);
  expect(failed.error?.remedy).toContain('rebackfill');
  expect(failed.accepts).toEqual(expect.arrayContaining(['rebackfill', 'retry', 'retire']));
  expect(await statusOf()).toMatchObject({ phase: 'failed', error: { code } });
}

/** The way out the remedy names: a history that has it all, and a new version. */
async function rebackfilled(version: number): Promise<void> {
  world.writeHistory(world.clicks);
  await send('rebackfill');
  await harness.until(lifecycle(), (status) => status.version === version && status.error === null);
  await servedInFull();
}

async function servedInFull(): Promise<void> {
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
}

describe('a log that is not what it was', { timeout: 180_000 }, () => {
  it('retention took records before a refresh: it fails, what is served stays, and rebackfill is the way out', async () => {
    await startLifecycle(harness.client, world.view, { sliceSeconds: 5, catchUpLag: 0 }, harness.taskQueue);
    await harness.reach(lifecycle(), 'published');
    const served = await world.served();
    await world.send(world.make(50));
    await deleteAll();
    await send('refresh');
    await failedWith('offsets-gone', 'refresh');
    expect(await world.served()).toEqual(served);
    // Trying again cannot help, and says the same again.
    await send('retry');
    await failedWith('offsets-gone', 'refresh');
    await rebackfilled(2);
    await harness.reach(lifecycle(), 'published');
  });

  it('a partition gained before a refresh is read from its first record, once', async () => {
    await admin.createPartitions({ topicPartitions: [{ topic: world.topic, count: PARTITIONS + 1 }] });
    // A new producer: kafkajs's drops records of a partition that it did not know when it connected.
    const producer = new Kafka({
      clientId: 'test',
      brokers: [...inject('stack').kafkaBrokers],
      logLevel: logLevel.NOTHING,
    }).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    const messages = world.make(40).map((click) => ({ partition: PARTITIONS, value: JSON.stringify(click) }));
    await producer.send({ topic: world.topic, messages });
    await producer.disconnect();
    await send('refresh');
    await harness.until(lifecycle(), ({ phase, records }) => phase === 'published' && records > 0);
    await servedInFull();
    expect((await statusOf()).offsets.map(({ partition }) => partition)).toEqual([0, 1, 2, PARTITIONS]);
  });

  it('a partition gained before a rebackfill belongs to its cut', async () => {
    await rebackfilled(3);
    expect((await statusOf()).offsets).toHaveLength(PARTITIONS + 1);
  });

  it('retention took records while a stream was paused', async () => {
    await send('promote');
    await harness.reach(lifecycle(), 'streaming');
    await send('pause');
    await harness.reach(lifecycle(), 'paused');
    await world.send(world.make(50));
    await deleteAll();
    const served = await world.served();
    await send('resume');
    await failedWith('offsets-gone', 'stream');
    expect(await world.served()).toEqual(served);
    await rebackfilled(4);
    await harness.reach(lifecycle(), 'streaming');
  });

  it('the topic was deleted under a stream: it fails, and status still tells of it', async () => {
    const served = await world.served();
    await admin.deleteTopics({ topics: [world.topic] });
    const failed = await harness.reach(lifecycle(), 'failed');
    expect(failed.error).toMatchObject({ code: 'topic-not-found', during: 'stream' });
    expect(await statusOf()).toMatchObject({ phase: 'failed', lag: null, error: { code: 'topic-not-found' } });
    expect(await world.served()).toEqual(served);
  });

  it('and made again: refused whether it has fewer records or more, until it is built anew', async () => {
    await admin.createTopics({
      topics: [{ topic: world.topic, numPartitions: PARTITIONS + 1 }],
      waitForLeaders: true,
    });
    await send('retry');
    await failedWith('topic-recreated', 'stream');
    const served = await world.served();
    await world.send(world.make(700));
    await send('retry');
    await failedWith('topic-recreated', 'stream');
    expect(await world.served()).toEqual(served);
    await rebackfilled(5);
    await harness.reach(lifecycle(), 'streaming');
    await world.send(world.make(60));
    await servedInFull();
  });
});
