/** A release of Millrace as its user has it: its commands, its `dev`, and the packages it brings. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { TopicRecord } from './events.ts';

const OURS = /^(DATABASE_URL$|KAFKA_|TEMPORAL_|MILLRACE_(?!CACHE_DIR$))/;
const POLL_MS = 250;
const LIMIT_MS = 300_000;

/** What `millrace dev --json` prints once it is ready. */
export interface DevAddresses {
  readonly api: string;
  readonly databaseUrl: string;
  readonly kafkaBrokers: readonly string[];
}

/** What the fixture looks at in `millrace status --json`. */
export interface ViewStatus {
  readonly view: string;
  readonly phase: string;
  readonly version: number | null;
  readonly fingerprint: string | null;
  readonly lag: number | null;
  readonly deadLetters: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly parity: { readonly verdict: string } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** One entity as read over HTTP. */
export interface EntityRead {
  readonly entity: Readonly<Record<string, unknown>>;
  readonly values: Readonly<Record<string, unknown>>;
  readonly found: boolean;
  readonly ahead: boolean;
  readonly seq: number | null;
  readonly version: number;
}

/** Polls until `look` gives something other than null. Throws with `what` after five minutes. */
export async function eventually<Result>(what: string, look: () => Promise<Result | null>): Promise<Result> {
  const begun = performance.now();
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() - begun > LIMIT_MS) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`);
    await delay(POLL_MS);
  }
}

/** A folder as the fixture lays it out: `features`, `data` and `stack`, the data directory. */
export class Release {
  readonly checkout: string;
  readonly folder: string;
  readonly #require: NodeJS.Require;

  constructor(checkout: string, folder: string) {
    this.checkout = resolve(checkout);
    this.folder = resolve(folder);
    this.#require = createRequire(join(this.checkout, 'package.json'));
  }

  get dataDir(): string {
    return join(this.folder, 'stack');
  }

  /** The environment of a user who set nothing but the data directory. Every read is logged. */
  get variables(): NodeJS.ProcessEnv {
    const others = Object.entries(process.env).filter(([name]) => !OURS.test(name));
    return {
      ...Object.fromEntries(others),
      MILLRACE_DATA_DIR: this.dataDir,
      MILLRACE_FEATURES: join(this.folder, 'features'),
      MILLRACE_SERVED_SAMPLE: '1',
    };
  }

  get kafkajs(): typeof import('kafkajs') {
    return this.#require('kafkajs') as typeof import('kafkajs');
  }

  get pg(): typeof import('pg') {
    return this.#require('pg') as typeof import('pg');
  }

  get duckdb(): typeof import('duckdb') {
    return this.#require('duckdb') as typeof import('duckdb');
  }

  /** Postgres alone, on the data directory of a `dev` that is stopped. */
  async withPostgres<Result>(work: (databaseUrl: string) => Promise<Result>): Promise<Result> {
    const module = <Exports>(path: string): Promise<Exports> =>
      import(pathToFileURL(join(this.checkout, path)).href) as Promise<Exports>;
    const { readEnvironment } = await module<{
      readonly readEnvironment: (variables: NodeJS.ProcessEnv) => unknown;
    }>('stack/environment.ts');
    const { startStack } = await module<{
      readonly startStack: (options: object) => Promise<{ readonly databaseUrl: string; stop(): Promise<void> }>;
    }>('stack/local-stack.ts');
    const env = readEnvironment(this.variables);
    const stack = await startStack({ env, only: ['postgres'], onProgress: note });
    try {
      return await work(stack.databaseUrl);
    } finally {
      await stack.stop();
    }
  }

  /** Runs a command to its end and gives what it printed as JSON. Throws unless it exits with 0. */
  async run(...args: string[]): Promise<unknown> {
    note(`millrace ${args.join(' ')}`);
    const child = this.#spawn([...args, '--json'], 'inherit');
    const printed = await textOf(child);
    const code = await exitOf(child);
    if (code !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${code}: ${printed}`);
    return JSON.parse(printed);
  }

  async status(): Promise<ReadonlyMap<string, ViewStatus>> {
    const statuses = (await this.run('status')) as readonly ViewStatus[];
    return new Map(statuses.map((status) => [status.view, status]));
  }

  /** `millrace dev`, ready. Its standard error goes to `logFile`. */
  async startDev(logFile: string, args: readonly string[]): Promise<Dev> {
    note(`millrace dev ${args.join(' ')}`);
    const log = openSync(logFile, 'w');
    const child = this.#spawn(['dev', '--json', '--no-archive', ...args], log);
    closeSync(log);
    return await Dev.ready(this, child);
  }

  #spawn(args: readonly string[], stderr: 'inherit' | number): ChildProcess {
    const bin = join(this.checkout, 'cli', 'bin.mjs');
    return spawn(process.execPath, [bin, ...args], {
      cwd: this.folder,
      env: this.variables,
      stdio: ['ignore', 'pipe', stderr],
    });
  }
}

/** A running `millrace dev`. */
export class Dev {
  readonly addresses: DevAddresses;
  readonly #release: Release;
  readonly #child: ChildProcess;

  private constructor(release: Release, child: ChildProcess, addresses: DevAddresses) {
    this.#release = release;
    this.#child = child;
    this.addresses = addresses;
  }

  static async ready(release: Release, child: ChildProcess): Promise<Dev> {
    const end = (): void => void child.kill('SIGTERM');
    process.once('exit', end);
    const addresses = await new Promise<DevAddresses>((found, failed) => {
      let printed = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed.endsWith('}\n')) found(JSON.parse(printed) as DevAddresses);
      });
      child.once('exit', (code) =>
        failed(new Error(`millrace dev ended with ${code} before it was ready: ${printed}`)),
      );
    });
    return new Dev(release, child, addresses);
  }

  /** As Ctrl-C does; resolves when all of it is gone. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    const code = await exitOf(this.#child);
    if (code !== 0) throw new Error(`millrace dev ended with ${code}`);
  }

  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await queryAt<Row>(this.#release, this.addresses.databaseUrl, sql, values);
  }

  async send(topic: string, records: readonly TopicRecord[]): Promise<void> {
    const { Kafka, Partitioners, logLevel } = this.#release.kafkajs;
    const kafka = new Kafka({
      clientId: 'fixture',
      brokers: [...this.addresses.kafkaBrokers],
      logLevel: logLevel.ERROR,
    });
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const messages = records.map(({ key, value, timestamp }) => ({ key, value, timestamp: String(timestamp) }));
    await producer.send({ topic, messages });
    await producer.disconnect();
  }

  /** First and end offset of each partition, in order. */
  async bounds(topic: string): Promise<{ partition: number; low: number; end: number }[]> {
    return await this.#withAdmin(async (admin) => {
      const offsets = await admin.fetchTopicOffsets(topic);
      return offsets
        .map(({ partition, low, high }) => ({ partition, low: Number(low), end: Number(high) }))
        .toSorted((a, b) => a.partition - b.partition);
    });
  }

  /** Deletes the first `share` of each partition's records. */
  async deleteHead(topic: string, share: number): Promise<void> {
    await this.#withAdmin(async (admin) => {
      // The look is also what makes kafkajs know the topic's leaders: without it, it refuses to delete.
      const offsets = await admin.fetchTopicOffsets(topic);
      const partitions = offsets.map(({ partition, high }) => ({
        partition,
        offset: String(Math.floor(Number(high) * share)),
      }));
      await admin.deleteTopicRecords({ topic, partitions });
    });
  }

  /** The values of entities at a time, over HTTP. */
  async read(view: string, entities: readonly object[], at: string): Promise<EntityRead[]> {
    const response = await fetch(`${this.addresses.api}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features: [view], entities, at }),
    });
    if (!response.ok) throw new Error(`reading ${view}: ${response.status} ${await response.text()}`);
    const { results } = (await response.json()) as {
      readonly results: readonly { entity: EntityRead['entity']; views: Record<string, Omit<EntityRead, 'entity'>> }[];
    };
    return results.map(({ entity, views }) => {
      const { values, found, ahead, seq, version } = views[view]!;
      return { entity, values, found, ahead, seq, version };
    });
  }

  /** Waits until a streaming view has applied all there is. */
  async caughtUp(view: string): Promise<void> {
    await eventually(`${view} has applied all records`, async () => {
      const offsets = await this.query<{ topic: string; partition: number; next_offset: string }>(
        `SELECT o.topic, o.partition, o.next_offset FROM millrace_catalog.stream_offset o
         JOIN millrace_catalog.view_version v USING (view, version) WHERE view = $1 AND v.status = 'live'`,
        [view],
      );
      const ends = new Map((await this.bounds(offsets[0]!.topic)).map(({ partition, end }) => [partition, end]));
      return offsets.every((at) => Number(at.next_offset) === ends.get(at.partition)) ? true : null;
    });
  }

  async #withAdmin<Result>(work: (admin: import('kafkajs').Admin) => Promise<Result>): Promise<Result> {
    const { Kafka, logLevel } = this.#release.kafkajs;
    const kafka = new Kafka({
      clientId: 'fixture',
      brokers: [...this.addresses.kafkaBrokers],
      logLevel: logLevel.ERROR,
    });
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
}

/** One statement on a connection of its own. */
export async function queryAt<Row extends object>(
  release: Release,
  databaseUrl: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new release.pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** A line of progress. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function textOf(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout ?? []) text += String(chunk);
  return text;
}

async function exitOf(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null) return child.exitCode;
  if (child.signalCode !== null) return 1;
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}
