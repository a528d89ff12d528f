import { execSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { env } from 'node:process';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { underTraps } from '../../engine/purity/purity-traps.ts';
import { sampleRows } from '../../engine/purity/sample-values.ts';
import { readSchema } from '../../engine/contract/read-schema.ts';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal, entity, featureView, source } from '../../index.ts';
import { faultsOf } from './faults.ts';

const members = {
  at: z.iso.datetime(),
  id: z.string(),
  n: z.int().min(-5).max(5).nullable(),
  tags: z.array(z.string()),
  inner: z.object({ x: z.number() }).nullable(),
};
const events = source('events', { schema: z.object(members), eventTime: 'at', topic: 'events' });
const thing = entity('thing', { id: z.string() });
type Members = typeof members;
type EventRow = Parameters<
  NonNullable<Parameters<typeof featureView<'v', typeof thing.keys, Members, never>>[1]['where']>
>[0];

async function faultOf(fn: (e: EventRow) => number | null): Promise<string> {
  const view = featureView('v', { entity: thing, source: events, features: (f) => ({ x: f.sum(fn) }) });
  const faults = await faultsOf([view]);
  return faults.map((fault) => `${fault.path} ${fault.code}: ${fault.message}`).join('\n');
}

let counter = 0;
const remembered = new Map<string, number>();

const impure: readonly (readonly [string, (e: EventRow) => number | null, RegExp])[] = [
  ['the clock', (e) => e.at - Date.now(), /Date\.now\(\)/],
  ['new Date()', () => new Date().getTime(), /new Date\(\)/],
  ['Date()', () => Date().length, /Date\(\)/],
  ['local time', (e) => new Date(e.at / 1000).getHours(), /getHours/],
  ['local time made', () => new Date(2001, 1, 1).getTime(), /local time/],
  ['local time parsed', () => new Date('2001-01-01T00:00').getTime(), /local time/],
  ['locale and zone', (e) => new Date(e.at / 1000).toLocaleString().length, /toLocaleString/],
  ['local time set', (e) => new Date(e.at / 1000).setSeconds(3), /setSeconds/],
  ['local time as text', (e) => String(new Date(e.at / 1000)).length, /Date\.prototype\.toString/],
  ['local time that looks like an offset', () => new Date('1-13-2001').getTime(), /local time/],
  ['the offset', (e) => new Date(e.at / 1000).getTimezoneOffset(), /getTimezoneOffset/],
  [
    'a zone without a locale',
    (e) => new Date(e.at).toLocaleDateString(undefined, { timeZone: 'UTC' }).length,
    /locale/,
  ],
  ['a locale without a zone', (e) => new Date(e.at).toLocaleTimeString('en').length, /without a time zone/],
  ['the locale of numbers', (e) => (e.n ?? 0).toLocaleString().length, /Number\.prototype\.toLocaleString/],
  ['the locale of large numbers', () => 5n.toLocaleString().length, /BigInt\.prototype\.toLocaleString/],
  ['the locale of letters', (e) => e.id.toLocaleUpperCase().length, /toLocaleUpperCase/],
  ['the locale of order', (e) => e.id.localeCompare('x'), /localeCompare/],
  ['a locale that is none', (e) => e.id.localeCompare('x', 'xx-none'), /localeCompare/],
  ['Intl without a locale', () => new Intl.NumberFormat().format(1).length, /Intl\.NumberFormat/],
  ['Intl without a zone', (e) => new Intl.DateTimeFormat('en').format(e.at).length, /Intl\.DateTimeFormat/],
  ['the zone itself', () => Intl.DateTimeFormat().resolvedOptions().timeZone.length, /Intl\.DateTimeFormat/],
  ['arguments', () => process.argv.length, /process\.argv/],
  ['the platform', () => process.platform.length, /process\.platform/],
  ['the folder', () => process.cwd().length, /process\.cwd/],
  ['a path from the folder', () => resolve('x').length, /process\.cwd/],
  ['the process by another name', () => globalThis.process.pid, /process\.pid/],
  ['a program', () => execSync('true').length, /child_process\.execSync/],
  ['the navigator', () => navigator.hardwareConcurrency, /navigator\.hardwareConcurrency/],
  ['the collector', (e) => (new WeakRef(e).deref() === undefined ? 1 : 0), /WeakRef/],
  ['the text of a function', () => String(faultOf).length, /text of a function/],
  ['performance.now', () => performance.now(), /performance\.now/],
  ['hrtime.bigint', () => Number(process.hrtime.bigint()), /hrtime/],
  ['hrtime', () => process.hrtime()[0], /hrtime/],
  ['Math.random', () => Math.random(), /Math\.random/],
  ['random ids, imported', () => randomUUID().length, /randomUUID/],
  ['random ids, global', () => crypto.randomUUID().length, /randomUUID/],
  ['environment', () => (process.env['HOME'] ?? '').length, /process\.env\.HOME/],
  ['environment, imported', () => (env['HOME'] ?? '').length, /process\.env\.HOME/],
  ['network', () => (fetch('http://127.0.0.1:1') instanceof Promise ? 1 : 0), /fetch/],
  ['timers', () => (setTimeout(() => undefined, 0) === undefined ? 1 : 0), /setTimeout/],
  ['files', () => readFileSync('/etc/hostname').length, /readFileSync/],
  ['the machine', () => hostname().length, /hostname/],
  [
    'a caught use',
    (e) => {
      try {
        return Math.random();
      } catch {
        return e.n;
      }
    },
    /Math\.random/,
  ],
  ['a counter', () => counter++, /two different results/],
  [
    'a memory',
    (e) => {
      const seen = (remembered.get(e.id) ?? 0) + 1;
      remembered.set(e.id, seen);
      return seen;
    },
    /two different results/,
  ],
  [
    'mutation',
    (e) => {
      (e as { n: number | null }).n = 1;
      return 1;
    },
    /changes its input/,
  ],
  [
    'deep mutation',
    (e) => {
      (e.tags as string[]).sort().push('x');
      return 1;
    },
    /changes its input/,
  ],
  ['silent mutation', (e) => (Reflect.set(e, 'n', 99) ? 1 : 1), /changes its input/],
];

test.each(impure)('%s is refused by name', async (_, fn, what) => {
  const fault = await faultOf(fn);
  expect(fault).toMatch(/^features\.x impure-function: the row function is impure: /);
  expect(fault).toMatch(what);
});

const failing: readonly (readonly [string, (e: EventRow) => number | null, RegExp])[] = [
  ['missing null handling', (e) => (e.inner as { x: number }).x, /threw TypeError.*on the valid row .*"inner":null/],
  ['undefined', (e) => e.tags[0]?.length as number, /received nothing/],
  ['text for a number', (e) => e.id as never, /expected double or null from the row function, received "/],
  ['a promise', (e) => Promise.resolve(e.n) as never, /received an object/],
];

test.each(failing)('%s is a fault, with the row that did it', async (_, fn, what) => {
  const fault = await faultOf(fn);
  expect(fault).toMatch(/^features\.x failing-function: /);
  expect(fault).toMatch(what);
});

const fine: readonly (readonly [string, (e: EventRow) => number | null])[] = [
  ['arithmetic', (e) => (e.n ?? 0) * 2],
  ['UTC calendar', (e) => new Date(e.at / 1000).getUTCHours()],
  ['ISO text', (e) => Date.parse(new Date(e.at / 1000).toISOString())],
  ['a named zone', (e) => new Date(e.at / 1000).toLocaleString('en', { timeZone: 'UTC' }).length],
  [
    'a named locale',
    (e) => e.id.toLocaleLowerCase('en').localeCompare('x', ['en']) + (e.n ?? 0).toLocaleString('de').length,
  ],
  [
    'Intl with all it needs',
    (e) =>
      new Intl.DateTimeFormat('en', { timeZone: 'Asia/Tokyo' }).format(0).length +
      new Intl.Collator('sv').compare(e.id, 'x'),
  ],
  [
    'a zone in a text',
    () =>
      Date.parse('Sat, 13 Jan 2001 14:56:00 GMT') + Date.parse('2001-01-13T14:56:00+01:00') + Date.parse('2001-01-13'),
  ],
  ['UTC made', () => Date.UTC(2001, 0, 13) + new Date(Date.UTC(2001, 0, 13)).getUTCDay()],
  ['a hash', (e) => createHash('sha256').update(e.id).digest().readUInt32LE(0)],
  ['its own arrays', (e) => [...e.tags].sort().length],
  ['division by zero', (e) => 1 / (e.n ?? 0)],
  ['infinity', (e) => (e.inner?.x ?? 0) * 1e300],
  ['Math', (e) => Math.abs(e.n ?? 0)],
];

test.each(fine)('%s is fine', async (_, fn) => {
  expect(await faultOf(fn)).toBe('');
});

test('a remedy says what to write instead', async () => {
  const remedyOf = async (fn: (e: EventRow) => number): Promise<string> => {
    const view = featureView('v', { entity: thing, source: events, features: (f) => ({ x: f.sum(fn) }) });
    return (await faultsOf([view])).map((fault) => fault.remedy).join();
  };
  expect(await remedyOf((e) => new Date(e.at / 1000).getHours())).toBe('Use getUTCHours().');
  expect(await remedyOf((e) => new Date(e.at / 1000).setFullYear(1))).toBe('Use setUTCFullYear().');
  expect(await remedyOf((e) => new Date(e.at / 1000).getTimezoneOffset())).toContain('name their zone');
  expect(await remedyOf(() => Number(process.env['X']))).toContain("with { type: 'json' }");
  expect(await remedyOf((e) => e.id.localeCompare('x'))).toContain('Name the locale');
});

test('the function that builds features is held to the same', async () => {
  const built = (features: () => number) =>
    faultsOf([
      featureView('v', { entity: thing, source: events, features: (f) => ({ [`x${features()}`]: f.count() }) }),
    ]);
  expect((await built(() => Date.now())).map((fault) => `${fault.path} ${fault.code}: ${fault.message}`)).toEqual([
    'features impure-function: the function is impure: it uses Date.now()',
  ]);
  expect(await built(() => 1)).toEqual([]);
});

test('who took a trap along has what it stands for afterwards', () => {
  const taken: { D: DateConstructor; random: () => number; env: NodeJS.ProcessEnv }[] = [];
  underTraps(() => taken.push({ D: Date, random: Math.random, env: process.env }));
  const [{ D, random, env } = { D: Date, random: () => 2, env: {} }] = taken;
  expect(D).not.toBe(Date);
  expect(D.now()).toBeGreaterThan(1e12);
  expect(new D().getFullYear()).toBeGreaterThan(2000);
  expect(new D(2001, 0, 1).getHours()).toBe(0);
  expect(random()).toBeLessThan(1);
  expect(Object.keys(env)).toEqual(Object.keys(process.env));
});

test('where and key are probed too, and others only on rows that pass where', async () => {
  const make = (where: (e: EventRow) => boolean, key: (e: EventRow) => { id: string | null }) =>
    faultsOf([
      featureView('v', {
        entity: thing,
        source: events,
        where,
        key,
        features: (f) => ({ x: f.sum((e) => (e.inner as { x: number }).x) }),
      }),
    ]);
  const paths = async (faults: ReturnType<typeof make>) => (await faults).map((fault) => `${fault.path} ${fault.code}`);
  const id = (e: EventRow) => ({ id: e.id });
  expect(await paths(make((e) => e.inner !== null, id))).toEqual([]);
  expect(await paths(make(() => true, id))).toEqual(['features.x failing-function']);
  expect(await paths(make(() => false, id))).toEqual([]);
  expect(await paths(make((e) => e.inner !== null && Math.random() > 2, id))).toContain('where impure-function');
  expect(await paths(make((e) => e.n as never, id))).toContain('where failing-function');
  expect(
    await paths(
      make(
        (e) => e.inner !== null,
        () => ({ id: String(Date.now()) }),
      ),
    ),
  ).toEqual(['key impure-function']);
  expect(
    await paths(
      make(
        (e) => e.inner !== null,
        () => ({}) as { id: string },
      ),
    ),
  ).toEqual(['key failing-function']);
});

test('the traps are gone afterwards, also after a throw', () => {
  const value = (holder: object, name: string): unknown => Object.getOwnPropertyDescriptor(holder, name)?.value;
  const holders = (): unknown[] => [
    Date,
    process.env,
    readFileSync,
    value(Math, 'random'),
    value(Date, 'now'),
    value(Date.prototype, 'getHours'),
    value(globalThis, 'fetch'),
  ];
  const before = holders();
  expect(() =>
    underTraps(() => {
      throw new Error('probe');
    }),
  ).toThrow('probe');
  expect(holders()).toEqual(before);
  expect(Object.getOwnPropertyNames(globalThis.crypto)).not.toContain('randomUUID');
  expect(typeof Date.now()).toBe('number');
  expect(new Date(0).getHours()).toBeTypeOf('number');
  expect(randomUUID()).toHaveLength(36);
});

test('sample rows satisfy their contract and reach the edges', () => {
  const schema = z.object({
    ...members,
    price: decimal(6, 2),
    big: z.int64().positive(),
    code: z.string().length(3),
    mail: z.email().optional(),
    flag: z.boolean(),
    day: z.iso.date(),
    kind: z.enum(['x', 'y']),
    ratio: z.number().gt(0).lt(1),
    step: z.int().multipleOf(15).min(100),
    path: z.string().startsWith('/api/').endsWith('.json'),
  });
  const { plans } = readSchema(schema);
  const { rows, unknown } = sampleRows(plans);
  expect(unknown).toEqual([]);
  const contract = compileContract(schema);
  for (const row of rows) {
    const json = { ...row, at: new Date(Number(row['at']) / 1000).toISOString(), mail: row['mail'] ?? undefined };
    expect(contract.decodeValue(json)).toMatchObject({ ok: true });
  }
  const ns = new Set(rows.map((row) => row['n']));
  expect([-5, 5, 0, null].every((edge) => ns.has(edge))).toBe(true);
  const regex = z.object({ id: z.string().regex(/^X-\d{4}-[a-f]{2}$/) });
  expect(sampleRows(readSchema(regex).plans).unknown).toEqual(['id']);
});
