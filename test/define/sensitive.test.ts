import { expect, test } from 'vitest';
import { z } from 'zod';
import { hushReasons } from '../../engine/contract/hush-reasons.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { compileSource } from '../../engine/define/compile-source.ts';
import { compileLabelSet } from '../../engine/define/compile-label-set.ts';
import { type DefinitionFault, faultReporter } from '../../engine/define/definition-fault.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { sensitiveParts, shownPayload } from '../../engine/define/sensitive-view.ts';
import { sensitiveHash, setSensitiveKey } from '../../engine/values/sensitive-hash.ts';
import { decisions, entity, featureView, labelSet, outcomes, pairs, source } from '../../index.ts';
import { testView } from '../../testing.ts';
import { HistoryCase } from '../history/history-case.ts';
import { briefly, faultsOf } from './faults.ts';

/** Stands in every record, and may stand in no output. */
const PLANTED = 'ann@example.org';
const HASH = /hash:[0-9a-f]{16}/;

const history = new HistoryCase();

const members = {
  id: z.string(),
  at: z.iso.datetime(),
  email: z.email().nullable(),
  address: z.object({ street: z.string().max(3) }).optional(),
  amount: z.int(),
};
const orders = source('orders', {
  schema: z.object(members),
  eventTime: 'at',
  eventId: 'id',
  topic: 'orders',
  sensitive: ['email', 'address'],
});
const person = entity('person', { email: z.string() });
const view = featureView('people', {
  entity: person,
  source: orders,
  key: (e) => ({ email: e.email ?? 'nobody' }),
  where: (e) => {
    if (e.amount === 13) throw new Error(`unlucky ${e.email}`);
    return true;
  },
  features: (f) => ({
    n: f.count(),
    known: f.count('email'),
    last_email: f.last('email'),
    total: f.sum('amount'),
    domain: f.last((e) => (e.email ?? '').split('@')[1] ?? '', { type: z.string() }),
  }),
});

async function compiled() {
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  return views.get('people')!;
}

test('no reason says what was received of a sensitive field, by no door', async () => {
  const { source: of } = await compiled();
  const record = { id: 'a', at: '2026-01-01T00:00:00Z', email: PLANTED, address: { street: PLANTED }, amount: 1 };
  const whole = JSON.stringify(record);
  const reasons = [
    of.contract.decodeJson(whole),
    of.contract.decodeJson(Buffer.from(whole)),
    of.contract.decodeValue({ ...record, email: `${PLANTED} ` }),
    of.contract.decodeJson(whole.slice(0, -1)),
    of.contract.decodeJson(JSON.stringify(PLANTED)),
    of.contract.decodeJson(Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from(whole)])),
    of.contract.decodeJson(whole.replace('"amount":1', '"amount":NaN')),
  ].flatMap((decoded) => (decoded.ok ? ['none'] : decoded.reasons));
  const column: string[] = [];
  of.contract.textDecoder('email')(`${PLANTED},`, column);
  of.contract.columnDecoder('email', 'VARCHAR')(`${PLANTED};`, column);
  of.contract.textDecoder('address')(`{"street":"${PLANTED}"}`, column);
  of.contract.textDecoder('address')(`{"street":"${PLANTED}`, column);
  expect(column).toHaveLength(4);
  for (const reason of [...reasons, ...column]) {
    expect(reason).not.toContain('ann@');
    expect(reason).not.toContain('example');
  }
  const unhashed = [...reasons, ...column].filter((reason) => !HASH.test(reason));
  expect(unhashed).toEqual(['amount: expected an integer, received NaN; a value that is not known is null']);
});

test('a field that is not sensitive is shown as ever, and equal values have equal hashes', async () => {
  const { source: of } = await compiled();
  const refused = (fields: object): readonly string[] => {
    const decoded = of.contract.decodeValue({ id: 'a', at: '2026-01-01T00:00:00Z', email: null, amount: 1, ...fields });
    return decoded.ok ? [] : decoded.reasons;
  };
  expect(refused({ amount: 'x' })).toEqual(['amount: expected an integer, received "x"']);
  expect(refused({ email: 'no address' })[0]).toMatch(new RegExp(`received ${sensitiveHash('no address')}$`));
  expect(refused({ email: 5 })[0]).toMatch(new RegExp(`received ${sensitiveHash(5)}$`));
  expect(hushReasons(['email: expected x, received hash:00'], new Set(['email']))).toEqual([
    'email: expected x, received hash:00',
  ]);
});

test('a key makes hashes that other processes make, and another key others', () => {
  const own = sensitiveHash(PLANTED);
  setSensitiveKey('a key of sixteen and more');
  const first = sensitiveHash(PLANTED);
  setSensitiveKey('another key of sixteen');
  expect(new Set([own, first, sensitiveHash(PLANTED)]).size).toBe(3);
  setSensitiveKey('a key of sixteen and more');
  expect(sensitiveHash(PLANTED)).toBe(first);
  // HMAC-SHA-256 as any other program has it.
  expect(first).toBe('hash:feb9a81687c2b83e');
});

test('what row functions throw or give is not told either', () => {
  const fed = testView(view).feed([
    { id: 'a', at: '2026-01-01T00:00:00Z', email: PLANTED, amount: 13 },
    { id: 'b', at: '2026-01-01T00:00:00Z', email: PLANTED, amount: 1 },
  ]);
  expect(fed.refused).toEqual([
    { row: 0, reasons: [expect.stringMatching(/^where: the row function threw hash:[0-9a-f]{16}$/)] },
  ]);
});

test('what tells of a sensitive field is sensitive itself', async () => {
  const parts = sensitiveParts(await compiled());
  expect(['n', 'known', 'last_email', 'total', 'domain'].map((name) => parts.feature(name))).toEqual([
    false,
    false,
    true,
    false,
    true,
  ]);
  expect([parts.key('email'), parts.eventId]).toEqual([true, false]);
});

test('of a payload the named fields that are not sensitive are shown', async () => {
  const { source: of } = await compiled();
  const shown = shownPayload(
    JSON.stringify({ id: 'a', email: PLANTED, Email: PLANTED, [PLANTED]: 1, amount: 'x' }),
    of,
  );
  expect(shown).not.toContain(PLANTED);
  expect(JSON.parse(shown)).toMatchObject({ id: 'a', email: sensitiveHash(PLANTED), amount: 'x' });
  expect(shownPayload(`{"email":"${PLANTED}`, of)).toMatch(/^hash:/);
  expect(shownPayload(JSON.stringify([PLANTED]), of)).toMatch(/^hash:/);
  expect(shownPayload('{"id":"a"}', null)).toMatch(/^hash:/);
});

test('files of a history are refused without a word of it', async () => {
  const csv = `id;at;email;amount;address\na;2026-01-01T00:00:00Z;${PLANTED}x y;1,5;\nb;2026-01-01T00:00:00Z;;1;{"street":"${PLANTED}"}\n`;
  const jsonl = `{"id":"c","at":"2026-01-01T00:00:00Z","email":"${PLANTED}\n`;
  for (const [name, text] of [
    ['a.csv', csv],
    ['b.jsonl', jsonl],
  ] as const) {
    const folder = await history.files({ [name]: text });
    const faults: unknown[] = [];
    const { source: of } = compileSource(
      {
        kind: 'source',
        name: 'orders',
        options: {
          schema: z.object({ ...members, amount: z.number() }),
          eventTime: 'at',
          sensitive: ['email', 'address', 'amount'],
          history: { path: `${folder}/*`, ...(name === 'a.csv' ? { csv: { delimiter: ';', decimal: ',' } } : {}) },
        },
      },
      '/',
      (...fault) => faults.push(fault),
    );
    expect(faults).toEqual([]);
    const { invalid } = await history.scan(of);
    expect(invalid.length).toBeGreaterThan(0);
    for (const { reasons } of invalid) expect(reasons.join('\n')).not.toMatch(/ann@|1,5/);
  }
});

test('it is refused where it could not be kept', async () => {
  const faults = async (sensitive: unknown, more: object = {}): Promise<string[]> => {
    const of = source('s', { ...orders.options, ...more, sensitive } as Parameters<typeof source>[1]);
    const features = (f: { count(): never }): object => ({ n: f.count() });
    const one = featureView('v', { entity: entity('o', { id: z.string() }), source: of, features } as never);
    return briefly(await faultsOf([one]));
  };
  expect(await faults(['email'])).toEqual([]);
  for (const wrong of ['email', ['nothing'], ['at'], [5]])
    expect(await faults(wrong)).toEqual(['source s sensitive: invalid-sensitive']);
  expect(await faults(['email'], { history: { path: 'd/**/*.csv', partitions: ['email'], disjoint: true } })).toEqual([
    'source s sensitive: invalid-sensitive',
  ]);
});

test('decisions, outcomes, their pairs and what a label set is refused for say nothing of a sensitive context', async () => {
  const choices = decisions('choices', { context: z.object({ email: z.string() }), sensitive: ['context', 'unit'] });
  const answers = outcomes('answers', { value: z.string(), sensitive: ['value'] });
  const throwing = labelSet('throwing', {
    decisions: choices,
    outcomes: answers,
    on: {
      decision: (d): string => {
        throw new Error(`unlucky ${d.context.email}`);
      },
      outcome: (o) => [o.value] as unknown as string,
    },
    value: (d, o): number => (o.value === PLANTED ? (d.context as unknown as number) : Number.NaN),
    reduce: (values) => {
      throw new Error(`unlucky ${values.length} ${PLANTED}`);
    },
    matureAfter: '1d',
    absent: null,
  });
  const faults: DefinitionFault[] = [];
  const report = faultReporter(faults, 'label-set', 'throwing');
  const sources = {
    decisions: compileSource(choices, '/', report),
    outcomes: compileSource(answers, '/', report),
  };
  const labels = compileLabelSet(throwing, sources, null, report);
  const ofPairs = compileSource(pairs(throwing), '/', report).source;
  expect(faults).toEqual([]);
  expect(sources.decisions.source.sensitive).toEqual(['context', 'unit']);
  expect(ofPairs.sensitive).toEqual(['decision', 'outcome']);
  const reasons: string[] = [];
  const decision = { context: { email: PLANTED } };
  labels.decisionKey(decision, reasons);
  labels.outcomeKey({ value: PLANTED }, reasons);
  labels.value(decision, { value: PLANTED }, reasons);
  const refused = sources.decisions.source.contract.decodeValue({ decision_id: 'd', unit: 5, context: { email: 6 } });
  reasons.push(...(refused.ok ? [] : refused.reasons.filter((reason) => /^(unit|context)/.test(reason))));
  expect(reasons).toHaveLength(5);
  for (const reason of reasons) expect(reason).toMatch(HASH);
  const { reduce } = labels;
  let thrown: unknown;
  try {
    if (typeof reduce === 'function') reduce([1]);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: 'invalid-label', message: expect.stringMatching(HASH) });
  expect((thrown as Error).cause).toBeUndefined();
  expect(`${reasons.join()} ${String(thrown)}`).not.toContain(PLANTED);
});
