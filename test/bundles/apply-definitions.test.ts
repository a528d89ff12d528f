import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { applyDefinitions, type ApplyOptions, type ApplyOutcome } from '../../engine/bundles/apply-definitions.ts';
import { listBundles } from '../../engine/bundles/bundle-registry.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView, Definitions } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { desiredViews } from '../../engine/postgres/desired-views.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { applyRoles } from '../../engine/postgres/roles.ts';
import { runCli } from '../cli/run-cli.ts';
import { writeProject } from '../define/code-of.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { createLogin } from '../postgres/test-login.ts';
import { publishEmptyVersion } from '../stream/stream-fixture.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  for (const table of ['view_desired', 'view_bundle', 'view_version', 'audit_event'])
    await database.pool.query(`DELETE FROM millrace_catalog.${table}`);
});

/** Views by name, each with the number that its code has. */
function projectOf(views: Readonly<Record<string, number | string>>): string {
  return writeProject({
    'index.ts': `import { z } from 'zod';
import { entity, featureView, source } from 'millrace';
const person = entity('person', { person: z.string() });
const clicks = source('clicks', { schema: z.object({ at: z.iso.datetime(), person: z.string(), n: z.int() }), eventTime: 'at', topic: 'clicks' });
${Object.entries(views)
  .map(
    ([name, code]) =>
      `export const ${name} = featureView('${name}', { entity: person, source: clicks, features: (f) => ({ total: f.sum((e) => ${
        typeof code === 'string' ? code : `e.n * ${code}`
      }) }) });`,
  )
  .join('\n')}
`,
  });
}

async function definitionsOf(views: Readonly<Record<string, number | string>>): Promise<Definitions> {
  return compileDefinitions(await importDefinitions(projectOf(views)));
}

async function apply(
  views: Readonly<Record<string, number | string>>,
  more: Partial<ApplyOptions> = {},
): Promise<ApplyOutcome> {
  return await applyDefinitions({
    pool: database.pool,
    definitions: await definitionsOf(views),
    actor: 'ana@laptop',
    ...more,
  });
}

async function serve(view: CompiledView): Promise<void> {
  const bounds = { topic: 'clicks', clusterId: 'c', partitions: [] };
  await publishEmptyVersion(database.pool, view, bounds);
}

const desired = async (): Promise<unknown[]> =>
  (await desiredViews(database.pool)).map(({ view, applyNumber, fingerprint }) => [view, applyNumber, fingerprint]);

describe('an apply', () => {
  it('stores code and moves what views are to be: new, unchanged, changed, and no longer defined', async () => {
    const first = await apply({ a: 1, b: 1 }, { message: 'the first' });
    expect(first).toMatchObject({
      applyNumber: 1,
      views: [
        { view: 'a', change: 'new', before: null, live: null },
        { view: 'b', change: 'new' },
      ],
      gone: [],
    });
    expect(await listBundles(database.pool)).toHaveLength(2);
    expect(await apply({ a: 1, b: 1 })).toMatchObject({ applyNumber: null, views: [{ change: 'unchanged' }, {}] });
    const second = await apply({ a: 2, c: 1 });
    expect(second).toMatchObject({
      applyNumber: 2,
      views: [
        { view: 'a', change: 'changed', before: first.views[0]!.fingerprint },
        { view: 'c', change: 'new' },
      ],
      gone: ['b'],
    });
    // One that stays as it was keeps its number.
    expect(await desired()).toEqual([
      ['a', 2, second.views[0]!.fingerprint],
      ['b', 1, first.views[1]!.fingerprint],
      ['c', 2, second.views[1]!.fingerprint],
    ]);
    const events = (await auditEvents(database.pool, { limit: 10 })).map(
      ({ actor, action, subject, input, result }) => [actor, action, subject, input, result['change']],
    );
    expect(events.toSorted()).toEqual(
      [
        ['ana@laptop', 'apply', 'a', { message: 'the first' }, 'new'],
        ['ana@laptop', 'apply', 'a', {}, 'changed'],
        ['ana@laptop', 'apply', 'b', { message: 'the first' }, 'new'],
        ['ana@laptop', 'apply', 'c', {}, 'new'],
      ].toSorted(),
    );
  });

  it('is held against what is served where nothing was applied, and names a view that an upgrade gives another fingerprint', async () => {
    const { views } = await definitionsOf({ a: 1, b: 1, d: 1 });
    await serve(views.get('a')!);
    await serve({ ...views.get('b')!, fingerprint: 'f'.repeat(64) });
    await serve({ ...views.get('d')!, fingerprint: (await views.get('d')!.fingerprintBefore?.()) ?? '' });
    expect(await apply({ a: 1, b: 1, d: 1 })).toMatchObject({
      applyNumber: 1,
      views: [
        { view: 'a', change: 'unchanged', before: null, live: views.get('a')!.fingerprint },
        { view: 'b', change: 'changed', before: null, live: 'f'.repeat(64) },
        { view: 'd', change: 'upgraded', before: null },
      ],
    });
  });

  it('takes the views that are named alone, and refuses a name that the folder does not have', async () => {
    expect(await apply({ a: 1, b: 1 }, { views: ['b'] })).toMatchObject({ views: [{ view: 'b' }], gone: [] });
    expect(await desired()).toHaveLength(1);
    await expect(apply({ a: 1 }, { views: ['a', 'typo'] })).rejects.toMatchObject({
      code: 'unknown-view',
      message: expect.stringContaining('known: a'),
    });
  });

  it('changes nothing where it is a dry run', async () => {
    const dry = await apply({ a: 1 }, { dryRun: true });
    expect(dry).toMatchObject({ applyNumber: null, views: [{ view: 'a', change: 'new' }] });
    expect(await desired()).toEqual([]);
    expect(await listBundles(database.pool)).toEqual([]);
    expect(await auditEvents(database.pool, { limit: 10 })).toEqual([]);
  });

  it('says all views at once whose code cannot stand for itself, and then stores none of the others', async () => {
    const { views, ...definitions } = await definitionsOf({ a: 1, b: 1, good: 1 });
    // As views made in memory are: no file holds their code.
    const inMemory = (view: CompiledView): CompiledView => ({ ...view, carried: undefined });
    const some = new Map([...views].map(([name, view]) => [name, name === 'good' ? view : inMemory(view)]));
    const options = { pool: database.pool, definitions: { ...definitions, views: some }, actor: 'ana@laptop' };
    await expect(applyDefinitions(options)).rejects.toMatchObject({
      code: 'bundle-incomplete',
      message: expect.stringMatching(/^2 definitions: .*view "a".*view "b"/),
    });
    expect(await desired()).toEqual([]);
    const left: string[] = [];
    const outcome = await applyDefinitions({ ...options, onUnstorable: (view) => left.push(view) });
    expect([left, outcome.views.map(({ view }) => view)]).toEqual([['a', 'b'], ['good']]);
  });

  it('is whole where two come at once', async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map((code) => apply({ a: code, b: code, c: code })));
    const last = outcomes.find(({ applyNumber }) => applyNumber === 4)!;
    expect(await desired()).toEqual(last.views.map(({ view, fingerprint }) => [view, 4, fingerprint]));
  });

  it("is the owner's: a worker may look, and move nothing", async () => {
    const admin = await database.pool.connect();
    await applyRoles(admin).finally(() => admin.release());
    for (const [role, mayApply] of [
      ['worker', false],
      ['owner', true],
    ] as const) {
      const url = await createLogin(database.pool, database.url, `apply_${role}`, `IN ROLE millrace_${role}`);
      const pool = createPool(url, { max: 1 });
      try {
        expect(await apply({ a: 1 }, { pool, dryRun: true })).toMatchObject({ views: [{ change: 'new' }] });
        if (mayApply) expect(await apply({ a: 1 }, { pool })).toMatchObject({ applyNumber: 1 });
        else await expect(apply({ a: 1 }, { pool })).rejects.toMatchObject({ code: 'not-the-owner', httpStatus: 403 });
      } finally {
        await pool.end();
      }
    }
  });
});

describe('millrace apply', () => {
  it('says per view what it is and what to do next, and every fault of the definitions at once', async () => {
    const variables = { ...process.env, DATABASE_URL: database.url, MILLRACE_ACTOR: 'ana' };
    const features = projectOf({ a: 1, b: 1 });
    const cli = (...args: string[]) => runCli(['apply', '--features', features, ...args], variables);
    const dry = await cli('--dry-run');
    expect([dry.exitCode, dry.stderr]).toEqual([0, '']);
    expect(dry.stdout).toMatch(/│ a +│ new +│ [0-9a-f]{12} │ +│ millrace start a +│/);
    expect(dry.stdout).toContain('nothing was changed: this was a dry run');
    const applied = await cli('a', '--json', '--message', 'why not');
    expect(JSON.parse(applied.stdout)).toMatchObject({
      dryRun: false,
      applyNumber: 1,
      views: [{ view: 'a' }],
      gone: [],
    });
    expect(await desiredViews(database.pool)).toMatchObject([{ view: 'a', actor: 'ana', message: 'why not' }]);
    const other = await runCli(['apply', '--features', projectOf({ b: 1 })], variables);
    expect(other.stdout).toMatch(/^a: no longer defined here: it stays as it is; "millrace retire a"/m);
    expect(other.stdout).toContain('applied, number 2');
    expect(other.stdout).toContain('wrote millrace.lock.json');
    expect(JSON.parse((await cli('--json')).stdout)).toMatchObject({ applyNumber: null, lock: 'none' });
    expect(JSON.parse((await cli('--json')).stdout)).toMatchObject({ applyNumber: null, lock: 'same' });
    const faulty = await runCli(
      ['apply', '--json', '--features', projectOf({ x: 'Date.now()', y: 'Math.random()' })],
      variables,
    );
    expect(faulty.exitCode).toBe(1);
    const { faults } = JSON.parse(faulty.stdout) as { faults: { definition: string }[] };
    expect(new Set(faults.map(({ definition }) => definition))).toEqual(new Set(['x', 'y']));
  });
});
