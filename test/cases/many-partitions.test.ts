import { randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { type ArchiveStatus, archiveStatusQuery, archiveWorkflowId } from '../../workflows/archive-source/contract.ts';
import { statusQuery } from '../../workflows/feature-lifecycle/contract.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { pageOf } from '../lifecycle/lifecycle-harness.ts';
import { UserWorld } from './user-world.ts';

const PARTITIONS = 1_000;
const TIMEOUT_MS = 400_000;
/** Temporal warns of payloads beyond this. */
const WARNS_AT = 256 * 1024;
const view = `wide_${randomUUID().slice(0, 8)}`;
const topic = `${view}-topic`;
const source = `s_${view}`;

let world: UserWorld;
let kafka: KafkaFixture;
let client: Client;
beforeAll(async () => {
  const stack = inject('stack');
  kafka = await openKafka(stack.kafkaBrokers);
  world = await UserWorld.open(stack, {
    view: `const who = entity('who_${view}', { id: z.string() });
const ${source} = source('${source}', { schema: z.object({ id: z.string(), at: z.iso.datetime(), x: z.int() }), eventTime: 'at', topic: '${topic}' });
export const ${view} = featureView('${view}', { entity: who, source: ${source}, features: (f) => ({ n: f.count(), x: f.sum('x') }) });
`,
  });
  client = new Client({
    connection: await Connection.connect({ address: stack.temporalAddress }),
    namespace: stack.temporalNamespace,
  });
  await kafka.createTopic(topic, PARTITIONS);
}, TIMEOUT_MS);
afterAll(async () => {
  await world?.close();
  await client?.connection.close();
  // A thousand of them are a load to the broker, which other tests share.
  await kafka?.admin.deleteTopics({ topics: [topic] });
  await kafka?.close();
}, TIMEOUT_MS);

/** A record for every partition. */
async function toEach(x: number): Promise<void> {
  const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({
    partition,
    value: JSON.stringify({ id: `u${partition % 50}`, at: '2024-05-01T00:00:00Z', x }),
  }));
  await kafka.producer.send({ topic, messages });
}

async function ok(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await world.millrace(...args);
  expect(`${exitCode}: ${exitCode === 0 ? '' : stderr}`).toBe('0: ');
  return stdout;
}

/** The largest payload of a run's history, in bytes. */
async function largestPayload(handle: WorkflowHandle): Promise<number> {
  let largest = 0;
  const look = (value: unknown): void => {
    if (value instanceof Uint8Array) largest = Math.max(largest, value.length);
    else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) look(each);
  };
  look(await handle.fetchHistory());
  return largest;
}

describe('a topic of 1,000 partitions', { timeout: TIMEOUT_MS }, () => {
  it('is backfilled, streamed over shards and archived, and nothing that Temporal keeps of it is large', async () => {
    await toEach(1);
    await world.startWorker();
    await ok('start', view, '--shards', '4', '--slice-seconds', '20', '--wait');
    await toEach(2);
    expect(await ok('promote', view, '--wait')).toContain(`${view}: streaming`);
    await vi.waitUntil(
      async () =>
        ((await world.json('status', view)) as { counts: { applied: number } }).counts.applied === 2 * PARTITIONS,
      { timeout: TIMEOUT_MS, interval: 1_000 },
    );
    await ok('archive', source, '--slice-seconds', '3');
    const archive = client.workflow.getHandle(archiveWorkflowId(source, world.variables['MILLRACE_TASK_QUEUE']));
    const archived = async (): Promise<ArchiveStatus> => await archive.query(archiveStatusQuery);
    await vi.waitUntil(async () => (await archived()).sums?.rows === 2 * PARTITIONS, {
      timeout: TIMEOUT_MS,
      interval: 1_000,
    });
    const status = await archived();
    expect(status.partitions).toHaveLength(20);
    expect(status.sums).toEqual({ partitions: PARTITIONS, rows: 2 * PARTITIONS, lag: 0, behind: 0, holes: 0, lost: 0 });
    const archivePage = await pageOf(archive);
    expect(archivePage).toContain('2,000 rows of 1,000 partitions; 0 are behind');
    const log = (await world.json('log', source)) as { readonly partitions: readonly unknown[] };
    expect(log.partitions).toHaveLength(PARTITIONS);

    const lifecycle = client.workflow.getHandle(installationNames().lifecycleId(view));
    for (const size of [
      await largestPayload(lifecycle),
      await largestPayload(archive),
      Buffer.byteLength(JSON.stringify(status)),
      Buffer.byteLength(JSON.stringify(await lifecycle.query(statusQuery))),
      (await pageOf(lifecycle)).length,
      archivePage.length,
    ])
      expect(size).toBeLessThan(WARNS_AT / 4);
    await ok('archive', source, '--stop');
    await ok('retire', view, '--yes');
  });
});
