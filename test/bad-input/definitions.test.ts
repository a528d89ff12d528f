import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DefinitionFault } from '../../engine/define/definition-fault.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';

const DEFINITIONS = `
import { z } from 'zod';
import { entity, featureService, featureView, source } from 'millrace';

const shop = entity('shop', { shop: z.string() });
const schema = z.object({ id: z.string(), at: z.iso.datetime(), amount: z.int(), shop: z.string() });
const sales = source('sales', { schema, eventTime: 'at', eventId: 'id', topic: 'sales', history: { path: 'data/none/*.csv' } });
const partial = source('partial', { schema, eventTime: 'at', history: { path: 'data/*.csv' } });
const untimed = source('untimed', { schema, eventTime: 'amount', topic: 't' } as never);
const fancy = source('fancy', { schema: z.object({ at: z.iso.datetime(), shop: z.string(), x: z.string().transform((s) => s.length) }), eventTime: 'at', topic: 'f' } as never);
const keyed = source('keyed', { schema: z.object({ at: z.iso.datetime(), shop: z.int() }), eventTime: 'at', topic: 'k' });

export const sums = featureView('sums', {
  entity: shop, source: sales,
  features: (f: any) => ({
    total: f.sum('shop').over('1d'),
    missing: f.max('amout').over('1d'),
    narrow: f.count().over('1m', { hop: '1h' }),
    odd: f.count().over('fortnight'),
    clock: f.avg((e: any) => e.amount * Date.now()).over('1d'),
    dice: f.avg((e: any) => e.amount * Math.random()).over('1d'),
    surroundings: f.avg((e: any) => (process.env['HOME'] ? e.amount : 0)).over('1d'),
    change: f.avg((e: any) => { e.amount = 1; return 1; }).over('1d'),
    as_of: f.count(),
  }),
} as never);
export const again = featureView('sums', { entity: shop, source: partial, features: (f) => ({ n: f.count() }) });
export const ofKeyed = featureView('of_keyed', { entity: shop, source: keyed, features: (f: any) => ({ n: f.count() }) } as never);
export const badName = featureView('Bad-Name', { entity: shop, source: untimed, features: (f: any) => ({ n: f.count() }) } as never);
export const ofFancy = featureView('of_fancy', { entity: shop, source: fancy, features: (f: any) => ({ n: f.count() }) } as never);
export const model = featureService('model', [sums, ofKeyed] as never);
`;

/** Every kind of fault that the issue names. */
const EXPECTED = [
  'feature view Bad-Name name: invalid-name',
  'feature view of_keyed key: key-mismatch',
  'feature view sums features.as_of: reserved-name',
  'feature view sums features.change: impure-function',
  'feature view sums features.clock: impure-function',
  'feature view sums features.dice: impure-function',
  'feature view sums features.missing: unknown-field',
  'feature view sums features.narrow.over: window-too-short',
  'feature view sums features.odd.over: invalid-duration',
  'feature view sums features.surroundings: impure-function',
  'feature view sums features.total: wrong-input-type',
  'feature view sums name: duplicate-name',
  'source fancy schema.x: unsupported-contract',
  'source partial schema.shop: history-column-missing',
  'source sales history.path: history-not-found',
  'source untimed eventTime: wrong-field-type',
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-definitions-'));
  mkdirSync(join(folder, 'features'));
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'features', 'index.ts'), DEFINITIONS);
  writeFileSync(join(folder, 'data', 'sales.csv'), 'id,at,amount\n1,2001-01-01T00:00:00Z,3\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plan = (...args: string[]): Promise<CliResult> =>
  runCli(['plan', '--features', join(folder, 'features'), ...args], { MILLRACE_DATA_DIR: join(folder, 'none') });

it('plan tells every fault of every definition at once, to machines', async () => {
  const { exitCode, stdout } = await plan('--json');
  const { faults } = JSON.parse(stdout) as { faults: DefinitionFault[] };
  const brief = faults.map(({ kind, definition, path, code }) => `${kind} ${definition} ${path}: ${code}`);
  expect(brief.toSorted()).toEqual(EXPECTED);
  for (const { message, remedy } of faults) expect([message, remedy]).not.toContain('');
  expect(exitCode).toBe(1);
});

it('and to people: a row of a table each, no line wider than a screen, and how many', async () => {
  const { exitCode, stdout, stderr } = await plan();
  for (const fault of EXPECTED) expect(stdout).toContain(`${fault.split(': ').at(-1)}: `);
  expect(stdout).toContain('no field "amout" in source sales');
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(170);
  expect(stderr).toContain(`${EXPECTED.length} faults`);
  expect(exitCode).toBe(1);
});
