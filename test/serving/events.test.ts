import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

let database: OwnDatabase;
let api: RunningApi;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  api = await startApi({
    databaseUrl: database.url,
    clock: systemClock,
    definitions: { services: new Map() },
    access: { auth: 'tokens' },
  });
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

interface Event {
  readonly actor: string;
  readonly action: string;
  readonly subject: string | null;
  readonly input: unknown;
  readonly result: unknown;
}

const cli = async (actor: string, ...args: string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await runCli(args, { DATABASE_URL: database.url, MILLRACE_ACTOR: actor });
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return stdout;
};

async function make(actor: string, name: string, scope: string): Promise<{ id: string; token: string }> {
  return JSON.parse(await cli(actor, 'token', 'create', name, '--scope', scope, '--json')) as {
    id: string;
    token: string;
  };
}

it('tells an administrator, and nobody else, who made and revoked which tokens, and no secret', async () => {
  const admin = await make('ana', 'ops', 'admin');
  const reader = await make('bo', 'model', 'read:*');
  await cli('cy', 'token', 'revoke', 'model');
  const another = await make('bo', 'model', 'read:*');
  const ask = (query: string, token: string): Promise<Response> =>
    fetch(`${api.url}/v1/events${query}`, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask('', another.token)).status).toBe(403);
  const answer = await ask('', admin.token);
  expect(answer.status).toBe(200);
  const text = await answer.text();
  for (const { token } of [admin, reader, another]) expect(text).not.toContain(token);
  const { events } = JSON.parse(text) as { events: Event[] };
  expect(events.map(({ actor, action, subject }) => `${actor}: ${action} ${subject}`)).toEqual([
    'bo: token create model',
    'cy: token revoke model',
    'bo: token create model',
    'ana: token create ops',
  ]);
  expect(events[1]).toMatchObject({ input: {}, result: { revoked: [reader.id] } });
  expect(events[3]).toMatchObject({ input: { scopes: ['admin'] }, result: { id: admin.id } });
  const ofOps = (await (await ask('?view=ops&limit=5', admin.token)).json()) as { events: Event[] };
  expect(ofOps.events).toEqual([events[3]]);
  const later = (await (await ask('?since=2999-01-01T00:00:00Z', admin.token)).json()) as { events: Event[] };
  expect(later.events).toEqual([]);
  for (const query of ['?limit=0', '?limit=5000', '?since=yesterday'])
    expect((await ask(query, admin.token)).status).toBe(400);

  const listed = JSON.parse(await cli('ana', 'events', '--json')) as Event[];
  expect(listed).toEqual(events);
  const table = await cli('ana', 'events', '--view', 'ops', '--since', '1h');
  for (const part of ['ana', 'token create', 'ops', 'scopes=["admin"]']) expect(table).toContain(part);
  expect(await cli('ana', 'events', '--since', '2999-01-01T00:00:00Z')).toContain('nothing was noted');
  const wrong = await runCli(['events', '--since', 'yesterday'], { DATABASE_URL: database.url });
  expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('expected an ISO time with its zone') });
});

it('a migration is noted with whom it was run by, and nothing where there was none to run', async () => {
  const own = await createOwnDatabase(inject('stack').databaseUrl);
  try {
    const run = (...args: string[]) => runCli(args, { DATABASE_URL: own.url, MILLRACE_ACTOR: 'dee' });
    for (let time = 0; time < 2; time++) expect(await run('migrate')).toMatchObject({ exitCode: 0 });
    const { stdout } = await run('events', '--json');
    const events = JSON.parse(stdout) as Event[];
    expect(events).toMatchObject([{ actor: 'dee', action: 'migrate', subject: null }]);
    expect(JSON.stringify(events[0]!.result)).toContain('0001-catalog');
  } finally {
    await own.drop();
  }
});
