import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledLabelSet } from '../../engine/define/compiled-label-set.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { type Definition, definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { decisions, labelSet, outcomes, source } from '../../index.ts';
import { writeProject } from './code-of.ts';
import { briefly, faultsOf } from './faults.ts';

const choices = decisions('choices', { context: z.object({ flight_id: z.string(), seats: z.int().nullable() }) });
const clicks = outcomes('clicks', { value: z.boolean() });
const departures = source('departures', {
  schema: z.object({
    flight_id: z.string(),
    left: z.iso.datetime(),
    heard: z.iso.datetime().nullable(),
    day: z.iso.date(),
    delay: z.int().min(-1440).max(2880),
  }),
  eventTime: 'left',
  eventId: 'flight_id',
  topic: 'departures',
});
const on = {
  decision: (d: { context: { flight_id: string } }) => d.context.flight_id,
  outcome: (o: { flight_id: string }) => o.flight_id,
};
const late = {
  decisions: choices,
  outcomes: departures,
  on,
  value: (_: unknown, o: { delay: number }) => (o.delay > 15 ? 1 : 0),
  matureAfter: '3d',
  absent: 'leave-out',
} as const;

async function compiled(definition: Definition): Promise<CompiledLabelSet> {
  const { labelSets } = await compileDefinitions(definitionsInMemory([definition], '/srv/models'));
  return labelSets.get(definition.name)!;
}

test('a label set knows its sources, its rule and its functions', async () => {
  const labels = await compiled(labelSet('late', { ...late, horizon: '1d', knownAt: 'heard' }));
  expect(labels).toMatchObject({
    name: 'late',
    decisions: { name: 'choices' },
    outcomes: { name: 'departures' },
    isByDecision: false,
    matureAfterUs: 3 * 86_400_000_000,
    horizonUs: 86_400_000_000,
    reduce: 'last',
    absent: 'leave-out',
    knownAtField: 'heard',
  });
  const decision = { decision_id: 'd1', context: { flight_id: 'f7', seats: null } };
  const reasons: string[] = [];
  expect(labels.decisionKey(decision, reasons)).toBe('f7');
  expect(labels.outcomeKey({ flight_id: 'f7' }, reasons)).toBe('f7');
  expect(labels.value(decision, { delay: 16 }, reasons)).toBe(1);
  expect(reasons).toEqual([]);
});

test('by decision, a shadow is joined by the decision that it shadows, and outcomes say since when they are known', async () => {
  const clicked = await compiled(
    labelSet('clicked', {
      decisions: choices,
      outcomes: clicks,
      value: (_, o) => o.value,
      matureAfter: '1h',
      absent: 0,
    }),
  );
  expect(clicked).toMatchObject({ isByDecision: true, knownAtField: 'known_at', horizonUs: 3_600_000_000 });
  expect(clicked.decisionKey({ decision_id: 'd2', shadow_of: 'd1' }, [])).toBe('d1');
  expect(clicked.decisionKey({ decision_id: 'd2', shadow_of: null }, [])).toBe('d2');
  expect(clicked.outcomeKey({ decision_id: null }, [])).toBeNull();
});

test('what fails on a pair at run time is told, and says nothing', async () => {
  const labels = await compiled(labelSet('late', late));
  const reasons: string[] = [];
  expect(labels.outcomeKey(null as never, reasons)).toBeNull();
  expect(labels.value({}, null as never, reasons)).toBeNull();
  expect(reasons).toEqual([
    expect.stringMatching(/^on\.outcome: the function threw TypeError/),
    expect.stringMatching(/^value: the function threw TypeError/),
  ]);
});

test('a reduce that fails is an invalid-label that names its label set', async () => {
  const reduce = (values: readonly number[]): number => {
    if (values.length > 10) throw new Error('too many');
    return values.length;
  };
  const labels = await compiled(labelSet('late', { ...late, reduce }));
  expect(() => (labels.reduce as (values: number[]) => unknown)(Array.from({ length: 11 }, () => 1))).toThrow(
    expect.objectContaining({ code: 'invalid-label', message: expect.stringMatching(/"late".*too many.*11 values/) }),
  );
});

test.each<[string, object, string, RegExp]>([
  ['a duration', { matureAfter: '3 days' }, 'matureAfter: invalid-duration', /"3 days" is not a duration/],
  ['a horizon', { horizon: '-1d' }, 'horizon: invalid-duration', /"-1d"/],
  ['what absence means', { absent: 1 }, 'absent: invalid-label-rule', /'leave-out', received 1/],
  ['how several become one', { reduce: 'mean' }, 'reduce: invalid-label-rule', /'sum' or a function, received "mean"/],
  ['a sum of texts', { reduce: 'sum', value: () => 'a' }, 'reduce: invalid-label-rule', /adds numbers.*"a"/],
  ['no function', { value: 'delay' }, 'value: no-function', /expected a function/],
  ['half a join', { on: { decision: on.decision } }, 'on.outcome: no-function', /expected a function/],
  ['an unknown field', { knownAt: 'gone' }, 'knownAt: unknown-field', /no field "gone"/],
  ['a field that is no time', { knownAt: 'delay' }, 'knownAt: wrong-field-type', /expected a z\.iso\.datetime/],
  ['a date', { knownAt: 'day' }, 'knownAt: wrong-field-type', /is date/],
  ['no join', { on: undefined }, 'on: unknown-field', /no field "decision_id"/],
  ['no outcomes', { outcomes: undefined }, 'outcomes: no-decisions', /received undefined/],
  ['other decisions', { decisions: departures }, 'decisions: no-decisions', /received another source/],
  ['the clock', { value: () => Date.now() }, 'value: impure-function', /Date\.now/],
  [
    'randomness in the join',
    { on: { ...on, decision: () => `${Math.random()}` } },
    'on.decision: impure-function',
    /random/,
  ],
  [
    'a changed input',
    { value: (_: unknown, o: { delay: number }) => (o.delay = 1) },
    'value: impure-function',
    /changes its input/,
  ],
  ['a throw', { value: () => (null as never as string).length }, 'value: failing-function', /threw TypeError/],
  ['a value that is no label', { value: () => ({}) }, 'value: failing-function', /received an object/],
  ['nothing', { value: () => undefined }, 'value: failing-function', /received nothing/],
  [
    'a join of numbers',
    { on: { ...on, outcome: () => 7 } },
    'on.outcome: failing-function',
    /a text or null, received 7/,
  ],
  ['a reduce of objects', { reduce: () => ({}) }, 'reduce: failing-function', /received object/],
])('%s is refused by name and path', async (_, change, path, message) => {
  const faults = await faultsOf([labelSet('late', { ...late, ...change } as never)]);
  const own = faults.filter(({ kind }) => kind === 'label set');
  expect(briefly(own)).toEqual([`label set late ${path}`]);
  expect(own[0]!.message).toMatch(message);
});

test('a name must have the form of names, and stand for one', async () => {
  expect(briefly(await faultsOf([labelSet('Late', late)]))).toEqual(['label set Late name: invalid-name']);
  expect(briefly(await faultsOf([labelSet('late', late), labelSet('late', late)]))).toEqual([
    'label set late name: duplicate-name',
  ]);
});

const project = (value: string, more = ''): string => `
  import { decisions, labelSet, outcomes } from 'millrace';
  import { z } from 'zod';
  export const choices = decisions('choices', { context: z.object({ n: z.int() }) });
  export const clicks = outcomes('clicks', { value: z.boolean() });
  ${more}
  export const clicked = labelSet('clicked', { decisions: choices, outcomes: clicks, value: ${value}, matureAfter: '1h', absent: 0 });
`;
const tagOf = async (text: string): Promise<string> => {
  const { labelSets } = await loadDefinitions(writeProject({ 'index.ts': text }));
  return labelSets.get('clicked')!.tag;
};

test('the tag stands for the code and all it uses, and not for how it is written', async () => {
  const tag = await tagOf(project('(_, o) => o.value'));
  expect(tag).toMatch(/^[0-9a-f]{16}$/);
  expect(await tagOf(project('( _,o )=>  /* of the outcome */ o.value'))).toBe(tag);
  expect(await tagOf(project('(_, o) => !o.value'))).not.toBe(tag);
  const uses = (limit: number): string =>
    project('(d, o) => o.value && d.context.n > limit', `const limit = ${limit};`);
  expect(await tagOf(uses(1))).not.toBe(await tagOf(uses(2)));
}, 120_000);

test('code of a label set that asks the environment is refused', async () => {
  const folder = writeProject({ 'index.ts': project('(_, o) => (o.value && process.env.X === "1" ? 1 : 0)') });
  await expect(loadDefinitions(folder)).rejects.toMatchObject({
    code: 'invalid-definitions',
    message: expect.stringMatching(/label set clicked.*process\.env/),
  });
}, 60_000);
