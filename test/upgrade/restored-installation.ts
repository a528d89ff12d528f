import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection, QueryNotRegisteredError, ServiceError, type WorkflowHandle } from '@temporalio/client';
import type pg from 'pg';
import { sendCommand } from '../../cli/lifecycle-client.ts';
import { readEnvironment } from '../../config/environment.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { type LocalStack, startStack } from '../../stack/local-stack.ts';
import { type Command, type LifecycleStatus, statusQuery } from '../../workflows/feature-lifecycle/contract.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import type { TopicRecord } from './events.ts';
import { unpackTree } from './packed-tree.ts';
import type { EntityRead } from './release.ts';
import { unpack } from './restore-fixture.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What would point at somebody's services, or change what is run. */
const OURS = /^(DATABASE_URL$|KAFKA_|TEMPORAL_|MILLRACE_(?!CACHE_DIR$))/;

/** What `expected.json` has, of what the tests look at. */
export interface Expected {
  readonly folder: string;
  readonly at: string;
  readonly views: Readonly<Record<string, { readonly fingerprint: string; readonly reads: readonly EntityRead[] }>>;
  readonly later: {
    readonly at: string;
    readonly records: Readonly<Record<string, readonly TopicRecord[]>>;
    readonly reads: Readonly<Record<string, readonly EntityRead[]>>;
  };
}

export const expected = JSON.parse(readFileSync(join(HERE, 'expected.json'), 'utf8')) as Expected;

/** What the previous release left behind, in a folder of its own, with its services running and nothing else. */
export class RestoredInstallation {
  readonly folder: string;
  readonly stack: LocalStack;
  readonly pool: pg.Pool;
  readonly client: Client;
  readonly variables: NodeJS.ProcessEnv;
  readonly #connection: Connection;
  readonly #workers: ChildProcess[] = [];
  #sources: string | null = null;

  private constructor(folder: string, stack: LocalStack, connection: Connection, variables: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.stack = stack;
    this.pool = createPool(stack.databaseUrl, { max: 4 });
    this.#connection = connection;
    this.client = new Client({ connection, namespace: stack.temporal.namespace });
    this.variables = variables;
  }

  static async open(onProgress: (line: string) => void): Promise<RestoredInstallation> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-upgrade-'));
    await unpack(join(HERE, 'previous-release.tar.zst'), folder);
    const others = Object.entries(process.env).filter(([name]) => !OURS.test(name));
    const own = { ...Object.fromEntries(others), MILLRACE_DATA_DIR: join(folder, 'stack') };
    const env = readEnvironment(own);
    const postgres = await startStack({ env, only: ['postgres'], onProgress });
    try {
      await pointAt(postgres.databaseUrl, folder);
    } finally {
      await postgres.stop();
    }
    const stack = await startStack({ env, onProgress });
    const connection = await Connection.connect({ address: stack.temporal.address });
    return new RestoredInstallation(folder, stack, connection, {
      ...own,
      DATABASE_URL: stack.databaseUrl,
      KAFKA_BROKERS: stack.kafka.brokers.join(','),
      TEMPORAL_ADDRESS: stack.temporal.address,
      TEMPORAL_NAMESPACE: stack.temporal.namespace,
      MILLRACE_FEATURES: join(folder, 'features'),
    });
  }

  get features(): string {
    return join(this.folder, 'features');
  }

  /** A worker of this release, or of the previous one, ready. It ends with `stopWorker` or `close`. */
  async startWorker(release: 'this' | 'previous', roles?: string): Promise<ChildProcess> {
    const root = release === 'this' ? ROOT : await this.#previousSources();
    const child = fork(join(root, 'worker.ts'), [], {
      cwd: root,
      env: { ...this.variables, ...(roles === undefined ? {} : { MILLRACE_WORKER_ROLES: roles }) },
      execArgv: ['--disable-warning=TimeoutNegativeWarning'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#workers.push(child);
    const log = createWriteStream(join(this.folder, `${release}-${child.pid}.log`));
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    await new Promise<void>((resolve, reject) => {
      child.on('message', (message: { readonly ready?: boolean; readonly failed?: unknown }) => {
        if (message.ready === true) resolve();
        else reject(new Error(`the worker of ${release} release failed: ${JSON.stringify(message.failed)}`));
      });
      child.once('exit', (code) => reject(new Error(`the worker of ${release} release ended with ${code}`)));
    });
    return child;
  }

  async stopWorker(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  /** The worker of then on the packages of now. */
  async #previousSources(): Promise<string> {
    if (this.#sources !== null) return this.#sources;
    const sources = join(this.folder, 'previous-source');
    mkdirSync(sources);
    await unpackTree(join(HERE, 'previous-source.tar.zst'), sources);
    symlinkSync(join(ROOT, 'node_modules'), join(sources, 'node_modules'));
    this.#sources = sources;
    return sources;
  }

  lifecycle(view: string): WorkflowHandle {
    return this.client.workflow.getHandle(installationNames().lifecycleId(view));
  }

  async status(view: string): Promise<LifecycleStatus> {
    return await this.lifecycle(view).query(statusQuery);
  }

  /** Null where no worker answers in time: between two releases a task may go to and fro. */
  async patientStatus(view: string): Promise<LifecycleStatus | null> {
    try {
      return await this.client.withDeadline(Date.now() + 5_000, () => this.status(view));
    } catch (error) {
      if (error instanceof ServiceError || error instanceof QueryNotRegisteredError) return null;
      throw error;
    }
  }

  /** Records that the live version of a view has read of its topic. */
  async read(view: string): Promise<number> {
    return (await this.offsets(view)).reduce((sum, { next }) => sum + next, 0);
  }

  async write(topic: string, records: readonly TopicRecord[]): Promise<void> {
    const writer = createKafkaLogWriter({ ...this.stack.kafka, clientId: 'upgrade' });
    try {
      await writer.send(
        topic,
        records.map(({ key, value, timestamp }) => ({
          key: Buffer.from(key),
          value: Buffer.from(value),
          timestampMs: timestamp,
        })),
      );
    } finally {
      await writer.close();
    }
  }

  async send(view: string, command: Command): Promise<void> {
    await sendCommand(this.client, view, command);
  }

  /** Every value that FeaturePhase has had since the restore, in order: of all runs since. */
  async phases(view: string): Promise<string[]> {
    const phases: string[] = [];
    const { workflowExecutionInfo } = (await this.lifecycle(view).describe()).raw;
    for (let runId = workflowExecutionInfo?.execution?.runId ?? null; runId !== null; ) {
      const { events } = await this.client.workflow
        .getHandle(installationNames().lifecycleId(view), runId)
        .fetchHistory();
      const own: string[] = [];
      for (const event of events ?? []) {
        const fields = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields;
        const payload = fields?.['FeaturePhase']?.data;
        if (payload != null) own.push(JSON.parse(Buffer.from(payload).toString()) as string);
      }
      phases.unshift(...own);
      const first = events?.[0]?.workflowExecutionStartedEventAttributes;
      runId =
        first?.continuedExecutionRunId == null || first.continuedExecutionRunId === ''
          ? null
          : first.continuedExecutionRunId;
    }
    return phases;
  }

  async offsets(view: string): Promise<{ version: number; partition: number; next: number; lag: number }[]> {
    const { rows } = await this.pool.query<{ version: number; partition: number; next: number; lag: number }>(
      `SELECT o.version, o.partition, o.next_offset::int AS next, (o.end_offset - o.next_offset)::int AS lag
       FROM millrace_catalog.stream_offset o JOIN millrace_catalog.view_version v USING (view, version)
       WHERE view = $1 AND v.status = 'live' ORDER BY o.partition`,
      [view],
    );
    return rows;
  }

  /** Ends what was started, and removes it unless `keep`. */
  async close(keep = false): Promise<void> {
    for (const worker of this.#workers) await this.stopWorker(worker);
    await this.pool.end();
    await this.#connection.close();
    await this.stack.stop();
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The catalog names history files by absolute paths, of where they were made. */
async function pointAt(databaseUrl: string, folder: string): Promise<void> {
  const pool = createPool(databaseUrl, { max: 1 });
  try {
    await pool.query(
      'UPDATE millrace_catalog.view_version SET history = replace(history::text, $1, $2)::jsonb WHERE history IS NOT NULL',
      [`${expected.folder}/`, `${folder}/`],
    );
  } finally {
    await pool.end();
  }
}

/** The values of entities at a time, over HTTP. */
export async function readOver(api: string, view: string, at: string): Promise<EntityRead[]> {
  const entities = expected.views[view]!.reads.map(({ entity }) => entity);
  const response = await fetch(`${api}/v1/features`, {
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
