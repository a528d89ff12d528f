/** What a service was applied to be, and when that is served: in the transaction in which the last of its views is. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView, Definitions } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { serviceVersions } from '../../engine/postgres/service-versions.ts';
import { insertVersion, setVersionStatus } from '../../engine/postgres/view-versions.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { layoutTag } from '../../engine/state/layout-tag.ts';
import { runCli } from '../cli/run-cli.ts';
import { writeProject } from '../define/code-of.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

/** Two views and a service of both; `a` and `b` are what their feature sums, `more` another feature of a. */
async function definitionsOf(a: string, b: string, more = '', views = '[a, b]'): Promise<Definitions> {
  const feature = (sum: string): string => `total: f.sum((e) => ${sum}, { type: z.int() })`;
  const folder = writeProject({
    'index.ts': `import { z } from 'zod';
import { entity, featureService, featureView, source } from 'millrace';
const person = entity('person', { person: z.string() });
const clicks = source('clicks', { schema: z.object({ at: z.iso.datetime(), person: z.string(), n: z.int() }), eventTime: 'at', topic: 'clicks' });
export const a = featureView('a', { entity: person, source: clicks, features: (f) => ({ ${feature(a)}${more} }) });
export const b = featureView('b', { entity: person, source: clicks, features: (f) => ({ ${feature(b)} }) });
export const model = featureService('model', ${views});
`,
  });
  return compileDefinitions(await importDefinitions(folder));
}

const apply = async (definitions: Definitions, views?: readonly string[]) =>
  (await applyDefinitions({ pool: database.pool, definitions, views, actor: 'ana@laptop' })).services;

/** A version of a view that is built. */
async function built(view: CompiledView): Promise<number> {
  const { name, fingerprint, layout, tags } = view;
  const version = { view: name, fingerprint, layout, layoutTag: layoutTag(layout), tags };
  const made = await insertVersion(database.pool, { ...version, source: 'clicks', topic: 'clicks', builder: 'test' });
  await setVersionStatus(database.pool, name, made.version, ['building'], 'built');
  return made.version;
}

const viewOf = (definitions: Definitions, name: string): CompiledView => definitions.views.get(name)!;
/** By version, what each waits for, newest first. */
const waiting = async (): Promise<string[][]> =>
  (await serviceVersions(database.pool, 'model')).map(({ missing }) => [...missing]);

it('a version of a service is served from the transaction on in which the last of its views is, and no longer than all are', async () => {
  const first = await definitionsOf('e.n', 'e.n');
  expect(await apply(first)).toEqual([{ service: 'model', version: 1 }]);
  expect(await waiting()).toEqual([['a', 'b']]);
  await setVersionStatus(database.pool, 'a', await built(viewOf(first, 'a')), ['built'], 'live');
  expect(await waiting()).toEqual([['b']]);
  const b = await built(viewOf(first, 'b'));
  await withTransaction(database.pool, async (client) => {
    await setVersionStatus(client, 'b', b, ['built'], 'live');
    expect(await waiting()).toEqual([['b']]);
  });
  expect(await waiting()).toEqual([[]]);

  // The same again is no other version; a feature more, or one that means something else, is.
  expect(await apply(await definitionsOf('e.n', 'e.n'))).toEqual([]);
  const second = await definitionsOf('0 - e.n', 'e.n', ', most: f.max("n")');
  expect(await apply(second)).toEqual([{ service: 'model', version: 2 }]);
  expect(await waiting()).toEqual([['a'], []]);
  const flip = (from: number, to: number) =>
    withTransaction(database.pool, async (client) => {
      await setVersionStatus(client, 'a', from, ['live'], 'superseded');
      await setVersionStatus(client, 'a', to, ['built', 'superseded'], 'live');
    });
  await built(viewOf(second, 'a'));
  await flip(1, 2);
  expect(await waiting()).toEqual([[], ['a']]);
  await flip(2, 1);
  expect(await waiting()).toEqual([['a'], []]);

  // More features beside those of a version leave it served.
  const third = await definitionsOf('e.n', 'e.n', ', most: f.max("n")');
  expect(await apply(third, ['a'])).toEqual([]);
  expect(await apply(third)).toEqual([{ service: 'model', version: 3 }]);
  await built(viewOf(third, 'a'));
  await flip(1, 3);
  expect(await waiting()).toEqual([[], ['a'], []]);

  const variables = { DATABASE_URL: database.url };
  const { stdout, exitCode } = await runCli(['versions', 'model', '--json'], variables);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([
    { service: 'model', version: 3, isLive: true, missing: [], actor: 'ana@laptop' },
    { version: 2, isLive: false, missing: ['a'] },
    { version: 1, isLive: false, missing: [] },
  ]);

  // Roles are part of it, whatever their order; the same tags by other columns are another version.
  const roles = (column: string): Promise<Definitions> =>
    definitionsOf('e.n', 'e.n', ', most: f.max("n")', `{ views: [b, a.as('from', { person: '${column}' })] }`);
  expect(await apply(await roles('sender'))).toEqual([{ service: 'model', version: 4 }]);
  const turned = await definitionsOf('e.n', 'e.n', ', most: f.max("n")', `[a.as('from', { person: 'sender' }), b]`);
  expect(await apply(turned)).toEqual([]);
  expect(await apply(await roles('giver'))).toEqual([{ service: 'model', version: 5 }]);
  expect(await apply(third)).toEqual([{ service: 'model', version: 6 }]);
  const [plain, giver] = await serviceVersions(database.pool, 'model');
  expect([plain!.blocks, plain!.missing]).toEqual([null, []]);
  expect(giver!.blocks).toEqual({
    b: { view: 'b', columns: { person: 'person' } },
    from: { view: 'a', columns: { person: 'giver' } },
  });
  expect(Object.keys(giver!.blocks!)).toEqual(['b', 'from']);
  const shown = await runCli(['versions', 'model'], variables);
  expect(shown.stdout).toContain('b, from = a(person: giver)');
  const nobody = await runCli(['versions', 'nobody'], variables);
  expect(nobody).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error unknown-view') as string });
});
