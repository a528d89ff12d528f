import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { RunStreamOptions, StreamProgress, StreamResult } from '../../engine/stream/stream-options.ts';
import { type RunningKafka, startKafka } from '../../stack/kafka.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { compositeView } from '../stream/composite-view.ts';
import { replayTopic } from '../stream/replay.ts';
import { openStreamDatabase, publishEmptyVersion, stateBytes } from '../stream/stream-fixture.ts';
import { purchaseBytes } from '../stream/stream-view.ts';
import type { ChildConfig } from './stream-child.ts';

// Services of its own: these tests stop and start them under the stream.
const services = { dataDir: temporaryDataDir(), onProgress: () => undefined };
let kafkaServer: RunningKafka;
let postgres: RunningPostgres;
let kafka: KafkaFixture;
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let attempts = 0;

beforeAll(async () => {
  [kafkaServer, postgres] = await Promise.all([startKafka(services), startPostgres(services)]);
  kafka = await openKafka(kafkaServer.brokers);
  database = await openStreamDatabase(postgres.url);
});
afterAll(async () => {
  await database.close();
  await kafka.close();
  await Promise.all([kafkaServer.stop(), postgres.stop()]);
  await rm(services.dataDir, { recursive: true, force: true });
});

async function prepared(topic: string, partitions: number) {
  await kafka.createTopic(topic, partitions);
  const view = await compositeView({ topic });
  const version = await publishEmptyVersion(database.pool, view, await kafka.reader.bounds(topic));
  let produced = 0;
  const produce = async (count: number): Promise<void> => {
    const from = produced;
    produced += count;
    for (let partition = 0; partition < partitions; partition++) {
      const values: string[] = [];
      for (let index = from; index < produced; index++) {
        if (index % partitions === partition)
          values.push(
            purchaseBytes({
              id: `id-${index}`,
              at: new Date(index * 1000).toISOString(),
              customer: `c${index % 97}`,
              amount: index % 10,
            }).toString(),
          );
      }
      await kafka.send(topic, partition, values);
    }
  };
  const options = (more: Partial<RunStreamOptions> = {}): RunStreamOptions => ({
    view,
    version,
    pool: database.pool,
    reader: kafka.reader,
    clock: systemClock,
    until: 'present-end',
    fence: { generation: 1, attemptMs: ++attempts, owner: 'faults' },
    limits: { batchRecords: 100, maxBatchRecords: 200, boundsEveryMs: 200, progressEveryMs: 10 },
    ...more,
  });
  const expectExact = async (): Promise<void> => {
    expect(await stateBytes(database.pool, view, version)).toEqual((await replayTopic(view, kafka.reader)).states);
  };
  return { view, version, produce, options, expectExact };
}

/** Runs without an end and lets a test wait for what it reports. */
function start(options: RunStreamOptions): {
  until(seen: (progress: StreamProgress) => boolean): Promise<void>;
  stop(): Promise<StreamResult>;
} {
  const controller = new AbortController();
  const waiting = new Set<{ seen: (progress: StreamProgress) => boolean; resolve: () => void }>();
  const running = runStream({
    ...options,
    until: 'forever',
    signal: controller.signal,
    onProgress: (progress) => {
      for (const waiter of waiting) if (waiter.seen(progress)) waiter.resolve();
    },
  });
  return {
    until: async (seen) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter = { seen, resolve };
      waiting.add(waiter);
      // A run that fails must fail the test, not leave it waiting.
      await Promise.race([
        promise,
        running.then((result) => expect.unreachable(`the run ended: ${JSON.stringify(result)}`)),
      ]);
      waiting.delete(waiter);
    },
    stop: () => {
      controller.abort();
      return running;
    },
  };
}

async function codeOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('a topic of Kafka', () => {
  test('records deleted before they were read: offsets-gone', async () => {
    const { options, produce } = await prepared('deleted', 1);
    await produce(100);
    await kafka.deleteBefore('deleted', 0, 30);
    expect(await codeOf(runStream(options()))).toBe('offsets-gone');
  });

  test('deleted and made again, shorter and longer: refused', async () => {
    const { options, produce } = await prepared('again', 2);
    await produce(200);
    await runStream(options());
    await kafka.admin.deleteTopics({ topics: ['again'] });
    await kafka.createTopic('again', 2);
    expect(await codeOf(runStream(options()))).toBe('topic-recreated');
    await produce(500);
    expect(await codeOf(runStream(options()))).toBe('topic-recreated');
  });

  test('a partition added while streaming is read from its first record', async () => {
    const { options, produce, expectExact } = await prepared('grown', 2);
    await produce(200);
    const run = start(options());
    await run.until(({ records }) => records === 200);
    await kafka.admin.createPartitions({ topicPartitions: [{ topic: 'grown', count: 3 }] });
    const value = purchaseBytes({
      id: 'new',
      at: new Date(500_000).toISOString(),
      customer: 'newcomer',
      amount: 1,
    }).toString();
    // A new producer: kafkajs's drops records of a partition that it did not know when it connected.
    const later = await openKafka(kafkaServer.brokers);
    await later.send('grown', 2, [value, value]);
    await later.close();
    await run.until(({ records }) => records === 202);
    expect((await run.stop()).ended).toBe('aborted');
    await expectExact();
  });
});

describe('services that go away under a stream', () => {
  test('a broker restart is survived, and doubles nothing', async () => {
    const { options, produce, expectExact } = await prepared('restart', 3);
    await produce(3000);
    const run = start(options());
    await run.until(({ records }) => records > 500);
    await kafkaServer.stop();
    kafkaServer = await startKafka(services);
    await produce(1500);
    await run.until(({ records, lag }) => records === 4500 && lag === 0);
    await run.stop();
    await expectExact();
  });

  test('a database restart is waited for, and doubles nothing', async () => {
    const { options, produce, expectExact } = await prepared('database', 3);
    await produce(6000);
    const run = start(options({ limits: { batchRecords: 20, maxBatchRecords: 20, progressEveryMs: 10 } }));
    await run.until(({ records }) => records > 100);
    await postgres.stop();
    await run.until(({ state, waitingFor }) => state === 'waiting' && waitingFor !== undefined);
    postgres = await startPostgres(services);
    await produce(600);
    await run.until(({ records, state }) => records >= 5000 && state === 'running');
    await run.stop();
    await runStream(options());
    await expectExact();
  });
});

describe('a stream that reads through the archive', () => {
  test('waits for the database, too: what the archive asks of it fails by its name', async () => {
    const { options, produce, expectExact } = await prepared('archived', 2);
    await produce(500);
    const reader = withArchive(kafka.reader, {
      pool: database.pool,
      archiveDir: services.dataDir,
      duckdbTempDir: services.dataDir,
    });
    const run = start(options({ reader }));
    await run.until(({ records, lag }) => records === 500 && lag === 0);
    await postgres.stop();
    // Nothing arrives: only the look at the topic's ends goes to the database, through the archive.
    await run.until(({ state, waitingFor }) => state === 'waiting' && waitingFor !== undefined);
    postgres = await startPostgres(services);
    await produce(100);
    await run.until(({ records }) => records === 600);
    await run.stop();
    await expectExact();
  });
});

describe('a process that streams', () => {
  function spawnChild(config: ChildConfig): {
    child: ChildProcess;
    progress: (seen: (records: number) => boolean) => Promise<void>;
    lastLine: () => string;
  } {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./stream-child.ts', import.meta.url)), JSON.stringify(config)],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const lines = createInterface({ input: child.stdout });
    let last = '';
    lines.on('line', (line) => {
      last = line;
    });
    return {
      child,
      lastLine: () => last,
      progress: async (seen) => {
        for (;;) {
          const [line] = (await once(lines, 'line')) as [string];
          if (seen((JSON.parse(line) as StreamProgress).records)) return;
        }
      },
    };
  }

  test('killed with -9 again and again loses and doubles nothing', async () => {
    const { options, produce, expectExact, version } = await prepared('killed', 3);
    await produce(4000);
    const config = { databaseUrl: database.databaseUrl, brokers: kafkaServer.brokers, topic: 'killed', version };
    for (let life = 0; life < 4; life++) {
      const { child, progress } = spawnChild({ ...config, attemptMs: ++attempts });
      await progress((records) => records > life * 137);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await produce(300);
    await runStream(options());
    await expectExact();
  });

  test('frozen while another takes over, it writes nothing when it wakes', async () => {
    const { options, produce, expectExact, version } = await prepared('frozen', 2);
    await produce(3000);
    const { child, progress, lastLine } = spawnChild({
      databaseUrl: database.databaseUrl,
      brokers: kafkaServer.brokers,
      topic: 'frozen',
      version,
      attemptMs: ++attempts,
    });
    await progress((records) => records > 50);
    child.kill('SIGSTOP');
    const next = await runStream(options());
    expect(next.ended).toBe('present-end');
    await produce(100);
    child.kill('SIGCONT');
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(JSON.parse(lastLine())).toMatchObject({ ended: 'superseded' });
    await runStream(options());
    await expectExact();
  });
});
