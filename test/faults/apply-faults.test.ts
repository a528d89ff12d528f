import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { listBundles } from '../../engine/bundles/bundle-registry.ts';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { type DesiredView, desiredViews } from '../../engine/postgres/desired-views.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { CliRun, runCli } from '../cli/run-cli.ts';
import { writeProject } from '../define/code-of.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { CommitGate, type HeldAt, type HeldWrite } from './commit-gate.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database?.drop());
beforeEach(async () => {
  for (const table of ['view_desired', 'view_bundle', 'audit_event'])
    await database.pool.query(`DELETE FROM millrace_catalog.${table}`);
});

/** Two views whose sums are of so much each. */
function projectOf(times: number): string {
  const view = (name: string): string =>
    `export const ${name} = featureView('${name}', { entity: person, source: clicks, features: (f) => ({ total: f.sum((e) => e.n * ${times}) }) });`;
  return writeProject({
    'index.ts': `import { z } from 'zod';
import { entity, featureView, source } from 'millrace';
const person = entity('person', { person: z.string() });
const clicks = source('clicks', { schema: z.object({ at: z.iso.datetime(), person: z.string(), n: z.int() }), eventTime: 'at', topic: 'clicks' });
${view('a')}
${view('b')}
`,
  });
}

function applied(times: number): { args: string[]; variables: NodeJS.ProcessEnv } {
  return {
    args: ['apply', '--features', projectOf(times), '--json'],
    variables: { DATABASE_URL: database.url, MILLRACE_ACTOR: 'ana' },
  };
}

async function apply(times: number): Promise<unknown> {
  const { args, variables } = applied(times);
  const { exitCode, stdout, stderr } = await runCli(args, variables);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  return JSON.parse(stdout);
}

const desired = async (): Promise<Pick<DesiredView, 'view' | 'applyNumber' | 'fingerprint'>[]> =>
  (await desiredViews(database.pool)).map(({ view, applyNumber, fingerprint }) => ({ view, applyNumber, fingerprint }));
const numbered = (applyNumber: number) => ['a', 'b'].map((view) => ({ view, applyNumber }));

const CODE: HeldWrite = { table: 'view_bundle', on: 'INSERT', when: 'true' };
const POINTERS: HeldWrite = { table: 'view_desired', on: 'INSERT OR UPDATE', when: 'true' };
const EVENTS: HeldWrite = { table: 'audit_event', on: 'INSERT', when: 'true' };

describe('an apply whose process is killed', () => {
  it.each<[string, HeldWrite, HeldAt]>([
    ['while it stores code', CODE, 'work'],
    ['between code and pointers', POINTERS, 'work'],
    ['after its pointers', EVENTS, 'work'],
    ['while it commits', EVENTS, 'commit'],
  ])('%s has happened whole or not at all, and is done again', async (_, write, at) => {
    await apply(1);
    const before = await desired();
    const gate = await CommitGate.close(database.pool, write, at);
    const { args, variables } = applied(2);
    const run = new CliRun(args, variables);
    await gate.reached();
    run.kill();
    expect(await run.ended).toMatchObject({ exitCode: null, stdout: '' });
    await gate.open();
    const isCommitted = at === 'commit';
    const after = await desired();
    if (!isCommitted) expect(after).toEqual(before);
    expect(after).toMatchObject(numbered(isCommitted ? 2 : 1));
    expect(await listBundles(database.pool)).toHaveLength(isCommitted ? 4 : 2);
    expect(await auditEvents(database.pool, { limit: 10 })).toHaveLength(isCommitted ? 4 : 2);

    const change = isCommitted ? 'unchanged' : 'changed';
    expect(await apply(2)).toMatchObject({ applyNumber: isCommitted ? null : 2, views: [{ change }, { change }] });
    expect(await desired()).toMatchObject(numbered(2));
    if (isCommitted) expect(await desired()).toEqual(after);
    expect(await listBundles(database.pool)).toHaveLength(4);
    expect(await auditEvents(database.pool, { limit: 10 })).toHaveLength(4);
  });
});
