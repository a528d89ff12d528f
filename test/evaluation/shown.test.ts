/** How reports are said: in lines, as a plot of letters, as a page. */
import { describe, expect, test, vi } from 'vitest';
import { calibrationLines } from '../../cli/calibration-plot.ts';
import { Output } from '../../cli/output.ts';
import { printEvaluation } from '../../cli/print-evaluation.ts';
import { askedTime } from '../../engine/evaluation/asked-times.ts';
import { evaluationPage } from '../../engine/evaluation/evaluation-page.ts';
import type { EvaluationReport } from '../../engine/evaluation/evaluation-report.ts';
import { readMetricsIn } from '../../engine/models/read-manifest.ts';
import { evaluated, told, type Told } from './evaluation-world.ts';

const rows = (version: number, of: (n: number) => Partial<Told>): Told[] =>
  Array.from({ length: 900 }, (_, n) => ({
    id: `${version} ${n}`,
    version,
    unit: `u${n % 300}`,
    score: 0.1 + (n % 9) / 10,
    // Late as often as version 1 says.
    label: (n * 7919) % 900 < 900 * (0.1 + (n % 9) / 10) ? 1 : 0,
    context: { origin: n % 2 === 0 ? '<b>LAS' : 'PHL' },
    action: n % 4 < 2 ? 'a' : 'b',
    propensity: 0.5,
    alternatives: [{ action: n % 4 < 2 ? 'b' : 'a', propensity: 0.5 }],
    ...of(n),
  }));
const decisions = [
  ...rows(1, () => ({})),
  ...rows(7, (n) => ({
    shadowOf: `1 ${n}`,
    score: 0.5,
    action: 'a',
    propensity: 0.8,
    alternatives: [{ action: 'b', propensity: 0.2 }],
  })),
].map(told);
const ask = {
  against: { model: 'late', version: 7 },
  segments: ['origin'],
  offPolicy: { candidate: { model: 'late', version: 7 } },
};
const reported = (more: object = {}): Promise<EvaluationReport> => evaluated(decisions, { ...ask, ...more });
/** Whose decisions a policy is judged on is the version against, where one is named. */
const onFirst = { against: undefined };

function printed(report: EvaluationReport): string {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part);
    return true;
  });
  try {
    printEvaluation(new Output(), report);
  } finally {
    write.mockRestore();
  }
  return text;
}

describe('in a terminal', () => {
  test('are the scores of both, what they differ by, calibration, segments and the policy', async () => {
    const text = printed(await evaluated(decisions, { segments: ['origin'], against: { model: 'late', version: 7 } }));
    expect(text).toMatch(
      /labels +late_labels, decisions of 2001-06-01 00:00 to 2001-07-01 00:00, as known at 2001-07-04 00:00/,
    );
    expect(text).toMatch(/decisions +1,800 read, 1,800 with a label, 0 not mature yet, 0 of which nothing came/);
    expect(text).toMatch(/late@1 +│ 900 +│ 50\.0 %/);
    expect(text).toContain('late@7: 0 acted on, 900 in shadow, 300 units');
    expect(text).toMatch(
      /the same over 900 requests of 300 units that both scored: −0\.\d{4} \(−0\.\d{4} to −0\.\d{4}\): late@1 is better/,
    );
    expect(text).toContain('calibration of late@1');
    expect(text).toMatch(/late@1 by origin/);
    expect(text).toMatch(/<b>LAS +│ 450/);
    expect(text).toContain('note: the base rate is that of the very rows');
  });

  test('a policy with its estimates, or why there are none', async () => {
    const text = printed(await reported(onFirst));
    expect(text).toContain('what late@7 would have brought');
    expect(text).toMatch(
      /logged +900 acted decisions with a label, 900 used \(300 units\), 2001-06-02 00:00 to 2001-06-02 00:00/,
    );
    for (const word of ['overlap', 'as decided', 'IPS', 'self-normalised', 'doubly robust'])
      expect(text).toMatch(new RegExp(`  ${word} +.*0\\.\\d+ `));
    expect(text).toContain('the candidate did not act in these days');
    const few = printed(
      await evaluated(
        decisions.slice(0, 1900).filter(({ id }) => Number(id.split(' ')[1]) < 50),
        { ...ask, ...onFirst },
      ),
    );
    expect(few).toMatch(/refused +the log tells as much of it as .* 100 at least are needed/);
  });

  test('a calibration plot has the score, what came of it, and its interval where they are', () => {
    const lines = calibrationLines(
      [
        { rows: 1200, score: 0, came: 0.5, low: 0.25, high: 0.75 },
        { rows: 10, score: 1, came: 1, low: 1, high: 1 },
      ],
      [0, 1],
    );
    expect(lines[0]).toMatch(/score +came +0\.000 +1\.000$/);
    const [, one, other] = lines.map((line) => line.slice(21, 71));
    expect(one).toBe(`|${' '.repeat(11)}${'─'.repeat(13)}●${'─'.repeat(12)}${' '.repeat(12)}`);
    expect(other).toBe(`${' '.repeat(49)}◆`);
    expect(lines[1]).toMatch(/1,200 rows$/);
    // Of one score there is no span.
    expect(calibrationLines([{ rows: 1, score: 5, came: 5, low: -Infinity, high: Infinity }], [5, 5])[1]).toContain(
      '◆',
    );
  });
});

test('a page has all of it with plots, and needs nothing of elsewhere', async () => {
  const page = await evaluationPage(await reported(onFirst));
  // A plot of calibration and one of the segment; one of the policy.
  expect(page.match(/<svg/g)).toHaveLength(3);
  for (const text of ['late@1', 'what late@7 would have brought', 'doubly robust', '&lt;b&gt;LAS'])
    expect(page).toContain(text);
  expect(page).not.toMatch(/<script|<b>|<link|<img|@import/i);
  const both = await evaluationPage(await reported());
  expect(both).toContain('<h1>late@1 against late@7</h1>');
  expect(both).toContain('is better');
  const numbers = decisions
    .slice(0, 900)
    .map((one, n) => ({ ...one, label: { kind: 'label' as const, value: n, outcomes: 1, afterMaturity: 0 } }));
  expect((await evaluationPage(await evaluated(numbers))).match(/<svg/g)).toHaveLength(1);
  const policyAlone = decisions.map((one) => ({ ...one, row: { ...one.row, score: null } }));
  expect(await evaluationPage(await evaluated(policyAlone, { ...ask, against: undefined }))).toContain(
    '<h1>late@7</h1>',
  );
});

test('its figures are what model publish takes as metrics', async () => {
  const report = await reported({ ...onFirst, baseRate: { value: 0.4, of: 'asked' } });
  const metrics = readMetricsIn(JSON.parse(JSON.stringify(report)), 'report.json');
  expect(metrics).toEqual(report.metrics);
  expect(metrics).toMatchObject({ rows: 900, baseRate: 0.4, opeActual: null });
  expect(Object.keys(metrics)).toContain('logLossHigh');
});

test('times are instants, or days', () => {
  expect([askedTime('2001-06-01', '--from'), askedTime('2001-06-01T01:00:00.5+01:00', '--from')]).toEqual([
    Date.UTC(2001, 5, 1) * 1000,
    Date.UTC(2001, 5, 1) * 1000 + 500_000,
  ]);
  for (const text of ['June', '2001-06-31', '2001-06-01T00:00', '1'])
    expect(() => askedTime(text, '--to')).toThrow(expect.objectContaining({ code: 'bad-options' }));
});
