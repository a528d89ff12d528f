import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { readCosts } from '../../engine/evaluation/costs.ts';
import type { LabelledDecision } from '../../engine/evaluation/held-decision.ts';
import { evaluated, told } from './evaluation-world.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-evaluation-files-'));
});

const file = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

const COUNT = 600;
/** Of `late@1`, which takes one of two actions by an even chance. */
const log: LabelledDecision[] = Array.from({ length: COUNT }, (_, n) =>
  told({
    id: `d${n}`,
    unit: `u${n % 200}`,
    score: 0.5,
    label: n % 3 === 0 ? 1 : 0,
    action: n % 2 === 0 ? 'a' : 'b',
    propensity: 0.5,
  }),
);
const scoreOf = (n: number): number => (n % 3 === 0 ? 0.75 : 0.25);
const rows = log.map(({ id }, n) => ({ decision_id: id, score: scoreOf(n) }));
const lines = (values: readonly object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const csv = (values: readonly object[]): string =>
  [Object.keys(values[0]!).join(','), ...values.map((value) => Object.values(value).join(','))].join('\n');

async function parquet(name: string, values: readonly object[]): Promise<string> {
  const [from, path] = [await file(`${name}.jsonl`, lines(values)), join(folder, name)];
  const duckdb = await openDuckDb({ memoryMb: 128, tempDir: folder });
  await duckdb.run(`COPY (SELECT * FROM read_json_auto('${from}')) TO '${path}' (FORMAT parquet)`);
  await duckdb.close();
  return path;
}

describe('scores of a model that decided nothing', () => {
  const eight = { model: 'late', version: 8 };

  test('are read of JSONL, CSV and Parquet alike, and held to what others decided, request by request', async () => {
    const unknown = { decision_id: 'of another day', score: 0.5 };
    const paths = [
      await file('scores.jsonl', lines([...rows, unknown])),
      await file('scores.csv', csv([...rows, unknown])),
      await parquet('scores.parquet', [...rows, unknown]),
    ];
    const reports = await Promise.all(
      paths.map((scores) => evaluated(log, { model: eight, scores, against: { model: 'late', version: 1 } })),
    );
    for (const report of reports) {
      expect(report.sides).toMatchObject([
        { name: 'late@8', rows: COUNT, withoutScore: 0 },
        { name: 'late@1', rows: COUNT },
      ]);
      expect(report.metrics['logLoss']).toBeCloseTo(-Math.log(0.75), 12);
      expect(report.comparison!.paired).toMatchObject({ requests: COUNT, units: 200 });
      expect(report.comparison!.paired!.difference.value).toBeCloseTo(Math.log(0.5) - Math.log(0.75), 12);
      expect(report).toEqual(reports[0]);
    }
  });

  test('of some decisions alone count for these', async () => {
    const scores = await file('few.csv', csv(rows.slice(0, 100)));
    const { sides } = await evaluated(log, { model: eight, scores });
    expect(sides).toMatchObject([{ rows: 100, withoutScore: 500 }]);
  });

  test('are refused by name', async () => {
    const cases: readonly [string, string, RegExp][] = [
      ['none.csv', 'decision_id,score\nx,0.5', /none of 600 decisions .* in the file/],
      ['columns.csv', 'id,score\nd1,0.5', /no column "decision_id"; it has: id, score/],
      ['twice.csv', 'decision_id,score\nd1,0.5\nd1,0.5', /decision "d1": it has two scores/],
      ['text.csv', 'decision_id,score\nd1,high', /decision "d1": expected a number as score; received high/],
      ['empty.jsonl', '{"decision_id": "d1", "score": null}\n', /received none/],
      ['id.jsonl', '{"score": 1}\n{"decision_id": "d1", "score": 1}\n', /a row has no decision_id/],
      ['much.csv', 'decision_id,score\nd1,1.5', /the score of decision "d1".*1.5/],
      ['broken.parquet', 'PAR', /cannot be read as parquet/],
      ['format.xlsx', 'x', /expected a file ending in/],
    ];
    for (const [name, text, words] of cases) {
      const path = await file(name, text);
      await expect(evaluated(log, { model: eight, scores: path })).rejects.toMatchObject({
        message: expect.stringMatching(words) as string,
      });
    }
    await expect(evaluated(log, { model: eight, scores: join(folder, 'gone.csv') })).rejects.toMatchObject({
      code: 'invalid-decisions-file',
      message: expect.stringMatching(/gone\.csv: there is no such file/) as string,
    });
    await expect(
      evaluated(log, { model: { model: 'early', version: 1 }, scores: await file('s.csv', csv(rows)) }),
    ).rejects.toMatchObject({
      code: 'model-never-decided',
    });
    const immature = log.map((one) => ({ ...one, label: { kind: 'immature' as const } }));
    await expect(evaluated(immature, { model: eight, scores: await file('s.csv', csv(rows)) })).rejects.toMatchObject({
      code: 'no-mature-labels',
    });
  });
});

describe('a policy', () => {
  const policyOf = (chance: number): object[] =>
    log.flatMap(({ id }) => [
      { decision_id: id, action: 'a', propensity: chance },
      { decision_id: id, action: 'b', propensity: 1 - chance },
    ]);

  test('is read of JSONL, CSV and Parquet alike', async () => {
    const policies = [
      await file('policy.jsonl', lines(policyOf(0.9))),
      await file('policy.csv', csv(policyOf(0.9))),
      await parquet('policy.parquet', policyOf(0.9)),
    ];
    for (const policy of policies) {
      const { offPolicy, sides } = await evaluated(log, { offPolicy: { policy } });
      // Of a, 100 of 300 are late, of b as many: what is done is of no matter.
      expect(offPolicy).toMatchObject({
        candidate: policy,
        logged: { used: COUNT },
        value: { kind: 'estimated' },
        actual: null,
      });
      expect(offPolicy!.asDecided!.value).toBeCloseTo(1 / 3, 12);
      expect(offPolicy!.value).toMatchObject({
        ips: { value: expect.closeTo(1 / 3, 9) as number },
        doublyRobust: { value: expect.closeTo(1 / 3, 3) as number },
      });
      expect(sides).toHaveLength(1);
    }
  });

  test('of other decisions is refused as one that tells nothing', async () => {
    const policy = await file('elsewhere.csv', 'decision_id,action,propensity\nx,a,1');
    const { offPolicy } = await evaluated(log, { offPolicy: { policy } });
    expect(offPolicy).toMatchObject({
      logged: { used: 0, withoutCandidate: COUNT },
      value: { kind: 'refused', why: 'few-effective' },
      asDecided: null,
    });
    expect(offPolicy!.refusal).toContain('as 0 decisions of its own');
  });

  test('whose chances are none is refused by name', async () => {
    const cases: readonly [string, RegExp][] = [
      ['d1,a,0.4\nd1,b,0.4', /decision "d1": expected chances .* received 0.4, 0.4/],
      ['d1,a,1.4\nd1,b,-0.4', /received 1.4, -0.4/],
      ['d1,a,0.5\nd1,a,0.5', /action "a" stands there twice/],
      ['d1,,1', /decision "d1": a row has no action/],
      [',a,1', /a row has no decision_id/],
    ];
    for (const [text, words] of cases) {
      const policy = await file('bad.csv', `decision_id,action,propensity\n${text}`);
      await expect(evaluated(log, { offPolicy: { policy } })).rejects.toMatchObject({
        code: 'invalid-decisions-file',
        message: expect.stringMatching(words) as string,
      });
    }
  });
});

test('a cost matrix is read, and refused by name', async () => {
  const good = { warn: { '0': -1, '1': 4 }, '*': { '*': 0 } };
  expect(await readCosts(await file('costs.json', JSON.stringify(good)))).toEqual(good);
  const cases: readonly [string, RegExp][] = [
    ['[]', /an action at least/],
    ['{}', /an action at least/],
    ['{"warn": {}}', /"warn": .* a label at least/],
    ['{"warn": 1}', /"warn"/],
    ['{"warn": {"1": "4"}}', /"warn", label "1": expected a number, received "4"/],
    ['{', /no JSON/],
    [' '.repeat(2 ** 20 + 1), /at most/],
  ];
  for (const [text, words] of cases)
    await expect(readCosts(await file('bad.json', text))).rejects.toMatchObject({
      code: 'invalid-costs',
      message: expect.stringMatching(words) as string,
    });
  await expect(readCosts(join(folder, 'gone.json'))).rejects.toMatchObject({ code: 'invalid-costs' });
});
