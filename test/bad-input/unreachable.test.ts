import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { createTestDatabase, type TestDatabase } from '../../stack/test-stack.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';

// How long an answer may take is held by test/stack/reachability.test.ts, without the start of a process in it.

// Ports that nothing can listen on without being root, and nothing does.
const VARIABLES = {
  DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/features',
  KAFKA_BROKERS: '127.0.0.1:2,127.0.0.1:3',
  TEMPORAL_ADDRESS: '127.0.0.1:4',
} as const;
const ADDRESSES: Readonly<Record<keyof typeof VARIABLES, string>> = {
  DATABASE_URL: '127.0.0.1:1/features',
  KAFKA_BROKERS: '127.0.0.1:2,127.0.0.1:3',
  TEMPORAL_ADDRESS: '127.0.0.1:4',
};

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-unreachable-'));
  // The example's definitions with a history of one flight: a clean checkout has none.
  cpSync(join(import.meta.dirname, '../../features'), join(folder, 'features'), { recursive: true });
  mkdirSync(join(folder, 'data', 'flights'), { recursive: true });
  const duckdb = await openDuckDb({ memoryMb: 128, tempDir: join(folder, 'spill') });
  await duckdb.run(
    `COPY (SELECT 'F1' AS flight_id, TIMESTAMP '2001-01-01' AS date, 'LAS' AS origin, 'PHL' AS destination, 1 AS delay, 2176 AS distance)
     TO '${join(folder, 'data', 'flights', 'one.parquet')}'`,
  );
  await duckdb.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[], variables: NodeJS.ProcessEnv): Promise<CliResult> =>
  runCli(args, { MILLRACE_DATA_DIR: join(folder, 'none'), MILLRACE_FEATURES: join(folder, 'features'), ...variables });

const DATABASE = ['DATABASE_URL'] as const;
const TEMPORAL = ['TEMPORAL_ADDRESS'] as const;
const ALL = ['DATABASE_URL', 'KAFKA_BROKERS', 'TEMPORAL_ADDRESS'] as const;

/** Every command, and the services it cannot do without. */
const commands: readonly (readonly [string, readonly (keyof typeof VARIABLES)[]])[] = [
  ['dev', ALL],
  ['plan', ['DATABASE_URL', 'TEMPORAL_ADDRESS']],
  ['start route_delays', TEMPORAL],
  ['promote route_delays', TEMPORAL],
  ['retire route_delays --yes', TEMPORAL],
  ['status', ALL],
  ['status --json', ALL],
  ['get route_delays origin=LAS destination=PHL', DATABASE],
  ['export --service delay_model --spine spine.csv --out set.parquet', TEMPORAL],
  ['dead-letters route_delays', DATABASE],
];

describe('services that are named and do not answer', () => {
  it.each(commands)('%s: names address and variable, and fails', async (command, needed) => {
    const { exitCode, stderr } = await run(command.split(' '), VARIABLES);
    expect(stderr).toContain('error service-unreachable');
    for (const variable of ALL) {
      const said = `${ADDRESSES[variable]} (set by ${variable}): `;
      if (needed.includes(variable)) expect(stderr).toContain(said);
      else expect(stderr).not.toContain(said);
    }
    expect(stderr).toMatch(/ECONNREFUSED/);
    expect(stderr).not.toContain('secret');
    expect(exitCode).toBe(1);
  });

  it('a plan says what it knows all the same', async () => {
    const { exitCode, stdout } = await run(['plan', '--json'], VARIABLES);
    const rows = JSON.parse(stdout) as { view: string; change: string }[];
    expect(rows.map(({ view, change }) => [view, change])).toContainEqual(['route_delays', 'unknown']);
    expect(exitCode).toBe(1);
  });

  it('a host without a name is named', async () => {
    const { exitCode, stderr } = await run(['status'], {
      DATABASE_URL: 'postgres://nowhere.invalid/db',
      KAFKA_BROKERS: 'nowhere.invalid:9092',
      TEMPORAL_ADDRESS: 'nowhere.invalid:7233',
    });
    for (const part of [
      'nowhere.invalid:5432/db (set by DATABASE_URL)',
      'nowhere.invalid:9092',
      'nowhere.invalid:7233',
    ])
      expect(stderr).toContain(part);
    expect(exitCode).toBe(1);
  });
});

describe('services that are not named at all', () => {
  it.each(['start x', 'promote x', 'status', 'get x k=1', 'export --service s --spine s.csv --out o.parquet'])(
    '%s says what to start or set',
    async (command) => {
      const { exitCode, stderr } = await run(command.split(' '), {});
      expect(stderr).toMatch(/error not-connected: .*(DATABASE_URL|TEMPORAL_ADDRESS).* not set/);
      expect(stderr).toContain('millrace dev');
      expect(exitCode).toBe(1);
    },
  );

  it('a plan needs none', async () => {
    const { exitCode, stdout } = await run(['plan'], {});
    expect(stdout).toContain('not known: no services are named');
    expect(exitCode).toBe(0);
  });
});

describe('a database nobody has prepared', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase(inject('stack').databaseUrl);
  });
  afterAll(() => database.drop());

  it.each(['get route_delays origin=LAS destination=PHL', 'dead-letters route_delays', 'plan'])(
    '%s says so, and what to do',
    async (command) => {
      const { exitCode, stderr } = await run(command.split(' '), { DATABASE_URL: database.databaseUrl });
      expect(stderr).toMatch(/error database-not-prepared: Postgres at DATABASE_URL .*millrace_catalog/);
      expect(stderr).toContain('millrace dev');
      expect(exitCode).toBe(1);
    },
  );

  it('one that is prepared, and a view that is not there: refused by name, not answered with nothing', async () => {
    const prepared = await createTestDatabase(inject('stack').databaseUrl);
    await migrateToLatest(prepared.databaseUrl);
    const variables = { DATABASE_URL: prepared.databaseUrl };
    for (const command of ['dead-letters nobody', 'get nobody k=1']) {
      const { exitCode, stderr } = await run(command.split(' '), variables);
      expect(stderr).toMatch(/error unknown-view: .*"nobody"/);
      expect(exitCode).toBe(1);
    }
    await prepared.drop();
  });

  it('a database that is not there is told as such', async () => {
    const url = new URL(database.databaseUrl);
    url.pathname = '/there_is_no_such_database';
    const { exitCode, stderr } = await run(['get', 'route_delays', 'origin=LAS', 'destination=PHL'], {
      DATABASE_URL: url.toString(),
    });
    expect(stderr).toMatch(
      /there_is_no_such_database \(set by DATABASE_URL\): database "there_is_no_such_database" does not exist/,
    );
    expect(exitCode).toBe(1);
  });
});
