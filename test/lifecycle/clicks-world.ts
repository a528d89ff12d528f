import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs';
import type pg from 'pg';
import { vi } from 'vitest';
import { WorkerProcess } from '../../cli/worker-process.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { createTestDatabase } from '../../stack/test-stack.ts';
import type { StackAddresses } from '../global-setup.ts';

process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

export const PARTITIONS = 3;
const USERS = 7;
const FROM_MS = Date.UTC(2026, 0, 1);

export interface Click {
  readonly id: string;
  readonly at: string;
  readonly person: string;
  readonly amount: number;
}

/** What readers must be served, feature by feature, per user. */
export type Served = Readonly<Record<string, readonly ScalarValue[]>>;

/** The definition; `extra` is code for one more feature, which makes it another definition. */
function definitionOf(view: string, topic: string, historyPath: string, extra: string): string {
  return `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const person = entity('person', { person: z.string() });
const clicks = source('clicks_${view}', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), person: z.string(), amount: z.int() }),
  eventTime: 'at', eventId: 'id', topic: '${topic}', history: { path: '${historyPath}', disjoint: true },
});
export const ${view} = featureView('${view}', {
  entity: person, source: clicks,
  features: (f) => ({ n: f.count(), total: f.sum('amount'), n_1d: f.count().over('1d'), last_amount: f.last('amount')${extra} }),
});
export const ${view}_service = featureService('${view}_service', [${view}]);
`;
}

/** A view with generated clicks: its history, its topic, its database and a worker in a process of its own. */
export class ClicksWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-lifecycle-'));
  readonly view: string;
  readonly topic: string;
  /** Of the serving log. */
  readonly servedTopic: string;
  readonly taskQueue: string;
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  /** All clicks there are, in the order they were made. */
  readonly clicks: Click[] = [];
  readonly workerLines: string[] = [];
  readonly #stack: StackAddresses;
  readonly #admin: Admin;
  readonly #producer: Producer;
  readonly #dropDatabase: () => Promise<void>;
  #worker: WorkerProcess | null = null;

  private constructor(
    stack: StackAddresses,
    names: { view: string; taskQueue: string },
    connected: { pool: pg.Pool; databaseUrl: string; admin: Admin; producer: Producer; drop: () => Promise<void> },
  ) {
    this.#stack = stack;
    this.view = names.view;
    this.topic = `topic-${names.view}`;
    this.servedTopic = `served-${names.view}`;
    this.taskQueue = names.taskQueue;
    this.pool = connected.pool;
    this.databaseUrl = connected.databaseUrl;
    this.#admin = connected.admin;
    this.#producer = connected.producer;
    this.#dropDatabase = connected.drop;
    mkdirSync(join(this.folder, 'features'));
    mkdirSync(join(this.folder, 'data'));
  }

  static async open(
    stack: StackAddresses,
    taskQueue: string,
    view = `clicks_${randomUUID().slice(0, 8)}`,
  ): Promise<ClicksWorld> {
    const database = await createTestDatabase(stack.databaseUrl);
    const { databaseUrl } = database;
    await migrateToLatest(databaseUrl);
    const pool = createPool(databaseUrl, { max: 5, applicationName: 'test' });
    const kafka = new Kafka({ clientId: 'test', brokers: [...stack.kafkaBrokers], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    // What is sent again for an answer that was lost would be there twice, and tests count.
    const producer = kafka.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 1 });
    await Promise.all([admin.connect(), producer.connect()]);
    const world = new ClicksWorld(
      stack,
      { view, taskQueue },
      { pool, databaseUrl, admin, producer, drop: () => database.drop() },
    );
    const topics = [world.topic, world.servedTopic].map((topic) => ({ topic, numPartitions: PARTITIONS }));
    // kafkajs's own wait for leaders gives up where a broker that is busy does not know the new topic yet.
    await admin.createTopics({ topics, waitForLeaders: false });
    const names = topics.map(({ topic }) => topic);
    await vi.waitUntil(() => haveLeaders(admin, names), { timeout: 60_000 });
    world.define('');
    return world;
  }

  /** Writes the definition; the worker has it after its next start. */
  define(extra: string, historyPath = 'data/*.jsonl'): void {
    this.write(this.definition(extra, historyPath));
  }

  /** Writes other definitions, of its view and topic. */
  write(text: string): void {
    writeFileSync(join(this.folder, 'features', 'index.ts'), text);
  }

  /** The definition as code. */
  definition(extra: string, historyPath = 'data/*.jsonl'): string {
    return definitionOf(this.view, this.topic, historyPath, extra);
  }

  /** The source's name in the definition. */
  get source(): string {
    return `clicks_${this.view}`;
  }

  get variables(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      DATABASE_URL: this.databaseUrl,
      KAFKA_BROKERS: this.#stack.kafkaBrokers.join(','),
      TEMPORAL_ADDRESS: this.#stack.temporalAddress,
      TEMPORAL_NAMESPACE: this.#stack.temporalNamespace,
      MILLRACE_TEMPORAL_UI: this.#stack.temporalUiUrl,
      MILLRACE_TASK_QUEUE: this.taskQueue,
      MILLRACE_FEATURES: join(this.folder, 'features'),
      MILLRACE_ARCHIVE_DIR: join(this.folder, 'archive'),
      MILLRACE_SERVED_TOPIC: this.servedTopic,
      MILLRACE_SERVED_SAMPLE: '1',
      MILLRACE_LOG_LEVEL: 'warn',
    };
  }

  /** The worker's process id. */
  get workerPid(): number {
    const pid = this.#worker?.pid;
    if (pid === undefined) throw new Error('no worker runs');
    return pid;
  }

  async startWorker(more: NodeJS.ProcessEnv = {}): Promise<void> {
    this.#worker = await WorkerProcess.start({
      variables: { ...this.variables, ...more },
      logFile: null,
      onLine: (line) => this.workerLines.push(line),
    });
  }

  async stopWorker(): Promise<void> {
    await this.#worker?.stop();
    this.#worker = null;
  }

  async close(): Promise<void> {
    await this.stopWorker();
    await this.#producer.disconnect();
    await this.#admin.disconnect();
    await this.pool.end();
    await this.#dropDatabase();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Makes the next `count` clicks; a tenth of them have the id of the one before: resent ones, which must not count. */
  make(count: number): Click[] {
    const made: Click[] = [];
    for (let index = 0; index < count; index++) {
      const n = this.clicks.length + made.length;
      const previous = made.at(-1);
      if (n % 10 === 9 && previous !== undefined) made.push(previous);
      else {
        made.push({
          id: `c${n}`,
          at: new Date(FROM_MS + n * 37_000).toISOString(),
          person: `u${(n * 5) % USERS}`,
          amount: ((n * 7919) % 201) - 100,
        });
      }
    }
    this.clicks.push(...made);
    return made;
  }

  writeHistory(clicks: readonly Click[], name = 'clicks.jsonl'): void {
    writeFileSync(join(this.folder, 'data', name), clicks.map((click) => `${JSON.stringify(click)}\n`).join(''));
  }

  /** Sends clicks, keyed by user so that resent ones meet. */
  async send(clicks: readonly Click[]): Promise<void> {
    await this.#producer.send({
      topic: this.topic,
      messages: clicks.map((click) => ({
        key: click.person,
        value: JSON.stringify(click),
        partition: Number(click.person.slice(1)) % PARTITIONS,
      })),
    });
  }

  /** Sends records that break the contract to one partition. */
  async sendBroken(count: number, partition: number): Promise<void> {
    const value = JSON.stringify({ id: 'x', at: 'yesterday', person: 'u0', amount: 'much' });
    await this.#producer.send({
      topic: this.topic,
      messages: Array.from({ length: count }, () => ({ value, partition })),
    });
  }

  /** Retention: everything that the topic holds goes. */
  async deleteRecords(): Promise<void> {
    const offsets = await this.#admin.fetchTopicOffsets(this.topic);
    const partitions = offsets.map(({ partition, high }) => ({ partition, offset: high }));
    await this.#admin.deleteTopicRecords({ topic: this.topic, partitions });
  }

  get newestUs(): number {
    // They are made in the order of their times.
    return Date.parse(this.clicks.at(-1)?.at ?? '') * 1000;
  }

  /** From scratch, naively: what each user's features are just after the newest of these clicks. */
  expected(clicks: readonly Click[] = this.clicks): Served {
    const once = [...new Map(clicks.toReversed().map((click) => [click.id, click])).values()];
    const atMs = this.newestUs / 1000;
    const hourMs = 3_600_000;
    const windowFromMs = Math.floor((atMs - 24 * hourMs) / hourMs) * hourMs;
    const served: Record<string, ScalarValue[]> = {};
    for (let user = 0; user < USERS; user++) {
      const own = once
        .filter((click) => click.person === `u${user}`)
        .toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
      served[`u${user}`] = [
        own.length,
        own.length === 0 ? null : own.reduce((sum, click) => sum + click.amount, 0),
        own.filter((click) => Date.parse(click.at) >= windowFromMs).length,
        own.at(-1)?.amount ?? null,
      ];
    }
    return served;
  }

  /** What the online store answers just after the newest click. */
  async served(pool = this.pool): Promise<Served> {
    const store = createOnlineStore({ pool, clock: systemClock });
    const users = Array.from({ length: USERS }, (_, user) => `u${user}`);
    const reads = await store.get(
      this.view,
      users.map((user) => [user]),
      {
        atUs: this.newestUs + 1,
        features: ['n', 'total', 'n_1d', 'last_amount'],
      },
    );
    return Object.fromEntries(reads.map((read, index) => [users[index] ?? '', read.values]));
  }
}

async function haveLeaders(admin: Admin, topics: string[]): Promise<boolean> {
  // It fails while one is not known.
  const metadata = await admin.fetchTopicMetadata({ topics }).catch(() => null);
  const partitions = metadata?.topics.flatMap((topic) => topic.partitions) ?? [];
  return partitions.length === topics.length * PARTITIONS && partitions.every(({ leader }) => leader >= 0);
}
