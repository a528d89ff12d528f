import { expect, test } from 'vitest';
import { createDerive } from '../../engine/derived/derive.ts';
import type { DerivedFailure, DerivedPlan } from '../../engine/derived/derive-step.ts';
import { type Cell, DERIVED_FAILED, INPUT_ERROR, VALUE_OUT_OF_RANGE } from '../../engine/values/cell.ts';
import type { ResultType } from '../../engine/values/result-type.ts';

const AT = 1_700_000_000_123_456;
type Values = Readonly<Record<string, unknown>>;
type Compute = (values: Values, context: { readonly at: number }) => unknown;

const plan = (name: string, type: ResultType, compute: Compute, block = 0): DerivedPlan => ({
  name,
  type,
  compute,
  block,
});
const seen = (...names: string[]) => names.map((name) => ({ name, open: (cell: unknown) => cell }));

/** What one feature of a kind is, made of the values `a` and `b`. */
function one(type: ResultType, compute: Compute, cells: readonly Cell[] = [1, 2]): [Cell, DerivedFailure[]] {
  const failures: DerivedFailure[] = [];
  const all = [...cells];
  createDerive(seen('a', 'b'), [plan('x', type, compute)])(all, AT, (failure) => failures.push(failure));
  expect(all.slice(0, 2)).toEqual(cells);
  return [all[2] as Cell, failures];
}
const valueOf = (kind: 'double' | 'int' | 'string' | 'boolean' | 'timestamp', result: unknown): Cell =>
  one({ kind }, () => result)[0];

test('a result is a value of its kind, or null', () => {
  expect(valueOf('double', 0.1)).toBe(0.1);
  expect(valueOf('double', -0)).toBe(0);
  expect(valueOf('int', -0)).toBe(0);
  expect(valueOf('int', Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
  expect(valueOf('string', '')).toBe('');
  expect(valueOf('string', '\u{1F600}')).toBe('\u{1F600}');
  expect(valueOf('boolean', false)).toBe(false);
  expect(valueOf('timestamp', AT)).toBe(AT);
  for (const kind of ['double', 'int', 'string', 'boolean', 'timestamp'] as const)
    expect(valueOf(kind, null)).toBe(null);
});

test.for([
  ['double', undefined],
  ['double', Number.NaN],
  ['double', Number.POSITIVE_INFINITY],
  ['double', Number.NEGATIVE_INFINITY],
  ['double', '1'],
  ['double', 1n],
  ['int', 0.5],
  ['int', Number.MAX_SAFE_INTEGER + 1],
  ['int', true],
  ['string', '\ud83d'],
  ['string', 5],
  ['boolean', 1],
  ['boolean', 'true'],
  ['timestamp', '2026-01-01T00:00:00Z'],
  ['timestamp', 0.5],
  ['timestamp', new Date(0)],
] as const)('%s: %s is derived-failed', ([kind, result]) => {
  const [cell, failures] = one({ kind }, () => result);
  expect(cell).toBe(DERIVED_FAILED);
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatchObject({ feature: 'x', inputs: { a: 1, b: 2 }, atUs: AT });
  expect(failures[0]?.reason).toMatch(/^expected .* or null from the function, received /);
});

test('a promise is no value, and nobody has to catch it', async () => {
  expect(one({ kind: 'double' }, async () => 1)[0]).toBe(DERIVED_FAILED);
  const late = one({ kind: 'double' }, async () => {
    throw new Error('late');
  });
  expect(late[0]).toBe(DERIVED_FAILED);
  // An unhandled rejection would fail the run.
  await new Promise((resolve) => setImmediate(resolve));
});

test('a list is one of its elements, none of them missing or null', () => {
  const of = (result: unknown): Cell => one({ kind: 'list', item: { kind: 'string' } }, () => result)[0];
  expect(of(['b', 'a'])).toBe('["b","a"]');
  expect(of([])).toBe('[]');
  expect(of(null)).toBe(null);
  for (const wrong of [['a', null], [1], new Array(2), 'ab', ['\ud83d'], { 0: 'a', length: 1 }])
    expect(of(wrong)).toBe(DERIVED_FAILED);
  expect(one({ kind: 'list', item: { kind: 'double' } }, () => [0.5, -0])[0]).toBe('[0.5,0]');
});

test('what throws is derived-failed, with what it saw; nothing else fails for it', () => {
  const failures: DerivedFailure[] = [];
  const cells: Cell[] = ['s', null];
  createDerive(seen('a', 'b'), [
    plan('thrown', { kind: 'int' }, () => {
      throw new TypeError('no such thing');
    }),
    plan('text', { kind: 'int' }, () => {
      throw 'text';
    }),
    plan('fine', { kind: 'string' }, ({ a }) => `${String(a)}!`),
  ])(cells, AT, (failure) => failures.push(failure));
  expect(cells).toEqual(['s', null, DERIVED_FAILED, DERIVED_FAILED, 's!']);
  expect(failures.map(({ reason }) => reason)).toEqual([
    'the function threw TypeError: no such thing',
    'the function threw "text"',
  ]);
  expect(failures[0]?.inputs).toEqual({ a: 's', b: null });
});

test('a value in error is null, and input-error is who read it, whatever that gave', () => {
  const cells = [VALUE_OUT_OF_RANGE, 2];
  expect(one({ kind: 'int' }, ({ b }) => b, cells)[0]).toBe(2);
  expect(one({ kind: 'boolean' }, ({ a }) => a === null, cells)[0]).toBe(INPUT_ERROR);
  expect(one({ kind: 'int' }, (v) => Object.keys(v).length, cells)[0]).toBe(2);
  expect(one({ kind: 'int' }, (v) => Object.keys({ ...v }).length, cells)[0]).toBe(INPUT_ERROR);
  const [cell, failures] = one({ kind: 'int' }, ({ a }) => (a as string).length, cells);
  // It threw, since the value was in error: that is no failure of the function.
  expect([cell, failures]).toEqual([INPUT_ERROR, []]);
  expect(one({ kind: 'int' }, () => undefined, cells)[1][0]?.inputs).toEqual({ a: 'value-out-of-range', b: 2 });
});

test('a block sees the blocks before it, and neither itself nor those after it', () => {
  const names: Record<string, string[]> = {};
  const noted =
    (name: string, result: (v: Values) => unknown): Compute =>
    (v) => {
      names[name] = Object.keys(v);
      return result(v);
    };
  const cells: Cell[] = [1, 2];
  createDerive(seen('a', 'b'), [
    plan(
      'sum',
      { kind: 'int' },
      noted('sum', (v) => (v.a as number) + (v.b as number)),
    ),
    plan(
      'bad',
      { kind: 'int' },
      noted('bad', () => 'x'),
    ),
    plan(
      'twice',
      { kind: 'int' },
      noted('twice', (v) => (v.sum as number) * 2),
      1,
    ),
    plan(
      'worse',
      { kind: 'int' },
      noted('worse', (v) => v.bad),
      1,
    ),
    plan(
      'last',
      { kind: 'list', item: { kind: 'int' } },
      noted('last', (v) => [v.twice]),
      2,
    ),
    plan(
      'first',
      { kind: 'int' },
      noted('first', (v) => (v.last as number[])[0]),
      3,
    ),
  ])(cells, AT);
  expect(cells.slice(2)).toEqual([3, DERIVED_FAILED, 6, INPUT_ERROR, '[6]', 6]);
  expect(names).toEqual({
    sum: ['a', 'b'],
    bad: ['a', 'b'],
    twice: ['a', 'b', 'sum', 'bad'],
    worse: ['a', 'b', 'sum', 'bad'],
    last: ['a', 'b', 'sum', 'bad', 'twice', 'worse'],
    first: ['a', 'b', 'sum', 'bad', 'twice', 'worse', 'last'],
  });
});

test('`at` is the time of the read, and nothing that is given can be changed', () => {
  expect(one({ kind: 'timestamp' }, (_, { at }) => at)[0]).toBe(AT);
  const changes: Compute[] = [
    (v) => {
      (v as Record<string, unknown>).a = 5;
    },
    (v) => {
      (v as Record<string, unknown>).c = 5;
    },
    (v) => Reflect.deleteProperty(v, 'a') || delete (v as Record<string, unknown>).a,
    (_, context) => {
      (context as { at: number }).at = 5;
    },
  ];
  for (const change of changes) {
    const [cell, failures] = one({ kind: 'int' }, change);
    expect(cell).toBe(DERIVED_FAILED);
    expect(failures[0]?.reason).toMatch(/^the function threw TypeError: Cannot /);
  }
});

test.for([
  ['Math.random()', () => Math.random()],
  ['Date.now()', () => Date.now()],
  ['new Date()', () => new Date().getTime()],
  ['Date()', () => Date().length],
] as const)('%s fails while functions run, caught or not, and is itself again afterwards', ([name, use]) => {
  const caught: Compute = () => {
    try {
      return use();
    } catch {
      return 1;
    }
  };
  for (const compute of [use, caught]) {
    const before = [globalThis.Date, Date.now, Math.random];
    const [cell, failures] = one({ kind: 'double' }, compute);
    expect(cell).toBe(DERIVED_FAILED);
    expect(failures[0]?.reason).toContain(name);
    expect([globalThis.Date, Date.now, Math.random]).toEqual(before);
  }
  expect(typeof use()).toBe('number');
});

test('times that are given can be taken apart', () => {
  expect(one({ kind: 'int' }, (_, { at }) => new Date(at / 1000).getUTCHours())[0]).toBe(22);
  expect(one({ kind: 'int' }, () => Date.UTC(1970, 0, 2) / 86_400_000)[0]).toBe(1);
  expect(one({ kind: 'boolean' }, () => new Date(0) instanceof Date)[0]).toBe(true);
});

test('whoever is told of a failure has the clock', () => {
  let told = 0;
  createDerive(seen('a'), [plan('x', { kind: 'int' }, () => undefined)])([1], AT, () => {
    told = Date.now();
  });
  expect(told).toBeGreaterThan(0);
});

test('of sensitive values nothing is told but hashes', () => {
  const failures: DerivedFailure[] = [];
  const hushed = {
    ...plan('x', { kind: 'int' }, ({ a }) => {
      throw new Error(`no ${String(a)}`);
    }),
    hushed: true as const,
  };
  createDerive(seen('a', 'b'), [hushed])(['ann@example.org', null], AT, (failure) => failures.push(failure));
  expect(JSON.stringify(failures)).not.toContain('ann');
  expect(failures[0]?.reason).toMatch(/^hash:/);
  expect(failures[0]?.inputs).toMatchObject({ a: expect.stringMatching(/^hash:/), b: null });
});

test('it tells what each function reads', () => {
  const read: string[] = [];
  const plans = [
    plan('x', { kind: 'int' }, ({ a }) => a),
    plan('y', { kind: 'int' }, ({ b, x }) => (b === null ? x : b), 1),
  ];
  createDerive(seen('a', 'b'), plans, (feature, name) => read.push(`${feature}: ${name}`))([1, null], AT);
  expect(read).toEqual(['x: a', 'y: b', 'y: x']);
});
