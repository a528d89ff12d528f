import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { removeDataDir } from './data-dir.ts';
import { readEnvironment } from '../config/environment.ts';
import { type LocalStack, startStack } from './local-stack.ts';
import type { OnProgress } from './progress.ts';

const SERVICE_VARIABLES = /^(DATABASE_URL$|KAFKA_|TEMPORAL_|MILLRACE_(DATA_DIR|TEMPORAL_UI)$)/;

/**
 * A whole stack in a new temporary data directory, which `stop()` deletes. It never uses services that the environment
 * names: a test must not write into somebody's database.
 *
 * @example
 * const stack = await startTestStack(console.error);
 */
export async function startTestStack(onProgress: OnProgress = () => undefined): Promise<LocalStack> {
  const dataDir = temporaryDataDir();
  const variables = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SERVICE_VARIABLES.test(name)));
  try {
    const stack = await startStack({ env: readEnvironment(variables), dataDir, onProgress });
    return {
      ...stack,
      stop: async () => {
        await stack.stop();
        removeDataDir(dataDir);
      },
    };
  } catch (error) {
    onProgress(`the logs of the failed start are kept in ${dataDir}`);
    throw error;
  }
}

/** A new temporary folder for a stack's data. */
export function temporaryDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  // mkdtemp makes it private; the server of a test that runs as root has another user.
  chmodSync(dataDir, 0o755);
  return dataDir;
}

export interface TestDatabase {
  readonly databaseUrl: string;
  /** Drops it, ending the sessions that still use it. */
  drop(): Promise<void>;
}

/**
 * Makes an empty database beside the one of `databaseUrl`.
 *
 * @example
 * const database = await createTestDatabase(inject('stack').databaseUrl);
 * afterAll(() => database.drop());
 */
export async function createTestDatabase(databaseUrl: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await execute(databaseUrl, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return {
    databaseUrl: url.toString(),
    drop: () => execute(databaseUrl, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
  };
}

async function execute(databaseUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
