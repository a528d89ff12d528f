import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { memoryFlags } from '../../config/worker-memory.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { createTestDatabase } from '../../stack/test-stack.ts';
import { MEMORY_ROWS } from '../../test/memory/memory-rows.ts';
import type { PeakMemory } from '../../test/memory/peak-memory.ts';
import { LARGE_TOPIC, SMALL_TOPIC } from './stream-topics.ts';

/** Where the rows work. */
export interface TableWorld {
  /** Of the history's inputs. */
  readonly folder: string;
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
}

/** What a row came to, as its process says. */
export interface RowFigures extends PeakMemory {
  readonly seconds: number;
  readonly did: string;
}

interface TableRow {
  readonly needsKafka: boolean;
  readonly run: (world: TableWorld, settingMb: number) => Promise<RowFigures | null>;
}

const scriptAt = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Runs a row in a process that is started as a worker is; null where that failed: the rest of the table is of use all the same. */
function child(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  settingMb: number,
): Promise<RowFigures | null> {
  return new Promise((resolve, reject) => {
    const running = spawn(process.execPath, [...memoryFlags(settingMb), script, ...args, String(settingMb)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env, NODE_NO_WARNINGS: '1' },
    });
    let text = '';
    running.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    running.once('error', reject);
    running.once('close', (code) =>
      resolve(code === 0 ? (JSON.parse(text.trim().split('\n').at(-1) ?? '') as RowFigures) : null),
    );
  });
}

function ofHistory(name: string): TableRow {
  return {
    needsKafka: false,
    run: async ({ folder, databaseUrl }, settingMb) => {
      const database = await createTestDatabase(databaseUrl);
      try {
        const pool = createPool(database.databaseUrl);
        await migrateToLatest(pool);
        await pool.end();
        const env = { BENCH_DATABASE_URL: database.databaseUrl };
        return await child(scriptAt('../../test/memory/memory-child.ts'), [name, folder], env, settingMb);
      } finally {
        await database.drop();
      }
    },
  };
}

function ofTopic(work: 'stream' | 'archive', topic: string): TableRow {
  return {
    needsKafka: true,
    run: ({ databaseUrl, brokers }, settingMb) => {
      const env = { DATABASE_URL: databaseUrl, KAFKA_BROKERS: brokers.join(',') };
      return child(scriptAt('./topic-child.ts'), [work, topic], env, settingMb);
    },
  };
}

/** The rows of the memory table, by name, in their order. */
export const TABLE_ROWS: ReadonlyMap<string, TableRow> = new Map([
  ...Object.keys(MEMORY_ROWS).map((name): [string, TableRow] => [name, ofHistory(name)]),
  ['stream over entities', ofTopic('stream', SMALL_TOPIC)],
  ['stream of large records', ofTopic('stream', LARGE_TOPIC)],
  ['archive of large records', ofTopic('archive', LARGE_TOPIC)],
]);
