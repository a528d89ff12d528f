import { describe, expect, test } from 'vitest';
import type { EvaluationOptions } from '../../engine/evaluation/evaluate-model.ts';
import { modelNamed } from '../../engine/evaluation/evaluation-ask.ts';
import { evaluated, told, type Told } from './evaluation-world.ts';

const many = (of: Partial<Told>, count = 200): Told[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `${of.version ?? 1}-${of.shadowOf ?? ''}-${n}`,
    label: n % 2,
    score: 0.4,
    ...of,
  }));
const seven = { model: 'late', version: 7 };

const cases: readonly [string, string, readonly Told[], Partial<EvaluationOptions>, RegExp][] = [
  ['nothing was decided', 'nothing-decided', [], {}, /2001-06-01T00:00:00.000000Z to 2001-07-01/],
  ['a model never decided', 'model-never-decided', many({}), { model: seven }, /late@7 .*late@1 \(200\)/],
  ['decisions name no model', 'model-never-decided', many({ model: null }), {}, /no version of a model/],
  ['the one against never decided', 'model-never-decided', many({}), { against: seven }, /late@7/],
  ['no label is mature', 'no-mature-labels', many({ kind: 'immature' }), {}, /200 are not mature/],
  ['nothing came of any', 'no-mature-labels', many({ kind: 'left-out' }), {}, /of 200 nothing came/],
  ['no decision has a score', 'no-scores', many({ score: null }), {}, /none of 200 decisions .* in its record/],
  ['labels are texts', 'label-not-scored', many({ label: 'late' }), {}, /late_labels.*texts \(late\)/],
  ['a score is no chance', 'invalid-score', many({ score: -1.5 }), {}, /decision "1--0".*-1.5/],
  [
    'a candidate decided nothing in shadow',
    'model-never-decided',
    many({}),
    { offPolicy: { candidate: seven } },
    /in shadow late@7/,
  ],
  [
    'no decision has a propensity',
    'propensities-missing',
    [...many({}), ...many({ version: 7, shadowOf: '1--0' })],
    { offPolicy: { candidate: seven } },
    /none of 200 logged/,
  ],
];

describe('an evaluation is refused by name', () => {
  test.each(cases)('where %s', async (_, code, rows, ask, words) => {
    await expect(evaluated(rows.map(told), ask)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words) as string,
    });
  });

  test('where more is asked about than is held', async () => {
    const one = told({ id: 'x', label: 1, score: 0.5 });
    const rows = Array.from({ length: 500_200 }, (_, n) => ({ ...one, id: String(n) }));
    await expect(evaluated(rows)).rejects.toMatchObject({
      code: 'evaluation-too-large',
      remedy: expect.stringContaining('--sample') as string,
    });
  });
});

test('texts are held to scores where one is named as yes', async () => {
  const rows = many({}).map((row) => ({ ...row, label: row.label === 1 ? 'late' : 'on time' }));
  const { sides } = await evaluated(rows.map(told), { positive: 'late' });
  expect(sides[0]).toMatchObject({ rows: 200, measures: { kind: 'chance', positives: 100 } });
});

test('a model is named with its version or without', () => {
  expect([modelNamed('late', '--model'), modelNamed('late@7', '--model')]).toEqual([
    { model: 'late', version: null },
    { model: 'late', version: 7 },
  ]);
  for (const text of ['', '@7', 'late@', 'late@x', 'late@0', 'a b@1'])
    expect(() => modelNamed(text, '--model')).toThrow(expect.objectContaining({ code: 'bad-options' }));
});
