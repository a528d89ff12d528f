import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { CliRun, runCli } from './run-cli.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

/** Its address, once it listens. */
async function addressOf(run: CliRun): Promise<string> {
  await run.printed('answers');
  return /(https?:\/\/\S+) answers/.exec(run.stdout)?.[1] ?? 'no address';
}

describe('millrace serve', () => {
  it('answers everybody on loopback until it is told to stop', async () => {
    const run = new CliRun(['serve', '--port', '0'], { DATABASE_URL: database.url });
    const url = await addressOf(run);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(run.stdout).toContain('everybody who reaches it');
    expect((await fetch(`${url}/v1/views`)).status).toBe(200);
    run.interrupt();
    const { exitCode, stderr } = await run.ended;
    expect(exitCode).toBe(0);
    // What it says beside its answer is for machines where nobody looks on.
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; msg: string });
    expect(lines.map(({ name, msg }) => [name, msg])).toEqual([
      ['millrace-api', 'stopping'],
      ['millrace-api', 'stopped'],
    ]);
  });

  it('asks for tokens on an address that others reach, unless told that everybody may read', async () => {
    for (const [auth, status] of [
      [undefined, 401],
      ['open', 200],
    ] as const) {
      const variables = { DATABASE_URL: database.url, MILLRACE_API_HOST: '0.0.0.0', MILLRACE_API_AUTH: auth };
      const run = new CliRun(['serve', '--port', '0'], variables);
      const url = (await addressOf(run)).replace('0.0.0.0', '127.0.0.1');
      expect((await fetch(`${url}/v1/views`)).status).toBe(status);
      run.interrupt();
      await run.ended;
    }
  });

  it('says what is wrong with its settings, and what it lacks', async () => {
    const wrong = await runCli(['serve'], { DATABASE_URL: database.url, MILLRACE_API_AUTH: 'nobody' });
    expect(wrong).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('received "nobody", expected tokens or open'),
    });
    const alone = await runCli(['serve'], { MILLRACE_DATA_DIR: '/nowhere' });
    expect(alone).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error not-connected') });
  });
});
