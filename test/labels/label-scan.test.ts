import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { InvalidRecord } from '../../engine/admission/invalid-record.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { decisions, labelSet, outcomes } from '../../index.ts';
import {
  brief,
  brokerWith,
  decisionJson,
  lateLabels,
  MATURE_US,
  outcomeJson,
  type SaidDecision,
  type SaidOutcome,
  scanned,
  type Sent,
  spillDir,
  T0_US,
} from './label-world.ts';

const decided = (said: SaidDecision, arrivedUs = said.atUs, partition = 0): Sent => {
  return { partition, arrivedUs, json: decisionJson(said) };
};
const heard = (said: SaidOutcome, arrivedUs = said.atUs, partition = 0): Sent => {
  return { partition, arrivedUs, json: outcomeJson(said) };
};

test('an outcome counts that was known when its decision became mature, and none that was known a microsecond later', async () => {
  const labels = await lateLabels();
  const broker = brokerWith(
    [decided({ id: 'a', atUs: 0 }), decided({ id: 'b', atUs: 0 }), decided({ id: 'c', atUs: 1_000 })],
    [
      heard({ id: '1', decision: 'a', atUs: 0, knownUs: MATURE_US, value: 1 }),
      heard({ id: '2', decision: 'b', atUs: 0, knownUs: MATURE_US + 1, value: 1 }),
      heard({ id: '3', decision: 'c', atUs: 2_000, value: 7 }, 11_000),
      heard({ id: '4', decision: 'c', atUs: 3_000, value: 8 }, 12_000),
    ],
  );
  const { scan, rows } = await scanned(labels, broker);
  expect(brief(rows)).toEqual(['a=1', 'b:left-out', 'c=7']);
  expect(scan.counts).toEqual({
    decisions: 3,
    mature: 3,
    immature: 0,
    leftOut: 1,
    labelled: 2,
    afterMaturity: 2,
    arrivedLate: 0,
    duplicates: 0,
    invalid: 0,
  });
});

test('what is immature is left out and counted, and a later scan has it besides the same rows', async () => {
  const labels = await lateLabels({ absent: 0 });
  const broker = brokerWith(
    [decided({ id: 'a', atUs: 0 }), decided({ id: 'b', atUs: 1_000 }, 1_000, 1)],
    [heard({ id: '1', decision: 'a', atUs: 500, value: 3 }, 1_000)],
  );
  const early = await scanned(labels, broker, { asOfUs: T0_US + MATURE_US + 999 });
  expect(early.scan.asOfUs).toBe(T0_US + MATURE_US + 999);
  expect(brief(early.rows)).toEqual(['a=3']);
  expect(early.scan.counts).toMatchObject({ decisions: 2, mature: 1, immature: 1 });
  const later = await scanned(labels, broker, { asOfUs: T0_US + MATURE_US + 1_000 });
  expect(brief(later.rows)).toEqual(['a=3', 'b=0']);
  expect(later.rows[0]).toEqual(early.rows[0]);
});

test('nobody is told of a time that is not over: as of at most the millisecond before the cut', async () => {
  const { scan } = await scanned(await lateLabels(), brokerWith([], []), { nowUs: 5_500, asOfUs: T0_US + 60_000 });
  expect(scan.asOfUs).toBe(T0_US + 4_999);
});

test('a shadow has the label of the decision it shadows, of whatever time, and where that was never logged its own', async () => {
  const broker = brokerWith(
    [
      decided({ id: 'before', atUs: 0 }),
      decided({ id: 'acted', atUs: 20_000 }, 20_000, 1),
      decided({ id: 's1', atUs: 20_001, shadowOf: 'acted' }, 21_000),
      decided({ id: 's2', atUs: 20_002, shadowOf: 'before' }, 21_000, 1),
      decided({ id: 's3', atUs: 20_003, shadowOf: 'gone' }, 21_000),
    ],
    [
      heard({ id: '1', decision: 'before', atUs: 500, value: 1 }, 1_000),
      heard({ id: '2', decision: 'acted', atUs: 20_500, value: 2 }, 21_000),
      heard({ id: '3', decision: 'gone', atUs: 20_500, value: 3 }, 30_000),
      heard({ id: '4', decision: 'before', atUs: 20_500, value: 9 }, 21_000),
      heard({ id: '5', decision: 's1', atUs: 20_500, value: 9 }, 21_000),
    ],
  );
  const { rows, scan } = await scanned(await lateLabels(), broker, { fromUs: T0_US + 20_000 });
  expect(brief(rows)).toEqual(['acted=2', 's1=2', 's2=1', 's3=3']);
  expect(rows[2]!.row['decision_id']).toBe('s2');
  expect(scan.counts.afterMaturity).toBe(1);
  const shadows = await scanned(await lateLabels(), broker, { where: (row) => row['shadow_of'] !== null });
  expect(brief(shadows.rows)).toEqual(['s1=2', 's2=1', 's3=3']);
});

test('an id counts once, as it was known first, wherever its records lie', async () => {
  const broker = brokerWith(
    [
      decided({ id: 'a', atUs: 0, action: 'first' }, 1_000),
      decided({ id: 'a', atUs: 5, action: 'again' }, 2_000),
      decided({ id: 'a', atUs: 7, action: 'other' }, 2_000, 1),
      decided({ id: 'late', atUs: 8 }, 2_000, 1),
      decided({ id: 'late', atUs: 100_000 }, 3_000),
    ],
    [
      heard({ id: '1', decision: 'a', atUs: 10, value: 1 }, 4_000),
      heard({ id: '1', decision: 'a', atUs: 20, value: 2 }, 3_000, 1),
    ],
  );
  const { rows, scan } = await scanned(await lateLabels({ absent: null }), broker);
  expect(rows.map(({ id, timeUs, row }) => [id, timeUs - T0_US, row['action']])).toEqual([
    ['a', 0, 'first'],
    ['late', 8, 'go'],
  ]);
  expect(brief(rows)).toEqual(['a=2', 'late=null']);
  expect(scan.counts).toMatchObject({ decisions: 2, duplicates: 4 });
  // What comes first by its record is not of the time asked for, and what repeats it does not stand in for it.
  const after = await scanned(await lateLabels(), broker, { fromUs: T0_US + 50_000 });
  expect(after.scan.counts.decisions).toBe(0);
});

test('by a key an outcome is of all decisions of it that were there when it happened', async () => {
  const labels = await lateLabels({ byFlight: true, reduce: 'sum', absent: 0 });
  const broker = brokerWith(
    [
      decided({ id: 'a', atUs: 0, flight: 'f' }),
      decided({ id: 'b', atUs: 1_000, flight: 'f' }, 1_000, 1),
      decided({ id: 'c', atUs: 1_001, flight: 'f' }, 2_000),
      decided({ id: 'd', atUs: 1_002, flight: 'g' }, 2_000),
      decided({ id: 'e', atUs: 1_003 }, 2_000),
    ],
    [
      heard({ id: '1', flight: 'f', atUs: 1_000, value: 1 }, 2_000),
      heard({ id: '2', flight: 'f', atUs: 5_000, value: 10 }, 6_000, 1),
      heard({ id: '3', atUs: 5_000, value: 100 }, 6_000, 1),
    ],
  );
  expect(brief((await scanned(labels, broker)).rows)).toEqual(['a=11', 'b=11', 'c=10', 'd=0', 'e=0']);
});

test('a record that breaks its contract is counted and told, and outcomes of nothing are nobody’s', async () => {
  const told: InvalidRecord[] = [];
  const broker = brokerWith(
    [decided({ id: 'a', atUs: 0 })],
    [
      { partition: 0, arrivedUs: 0, json: 'no JSON' },
      heard({ id: '1', decision: 'unknown', atUs: 0, value: 1 }),
      heard({ id: '2', decision: null, flight: 'f', atUs: 0, value: 1 }),
      heard({ id: '3', decision: 'a', atUs: 0, value: null }),
    ],
  );
  const { rows, scan } = await scanned(await lateLabels(), broker, { onInvalid: (record) => told.push(record) });
  expect(brief(rows)).toEqual(['a:left-out']);
  expect(scan.counts).toMatchObject({ invalid: 1, leftOut: 1 });
  expect(told).toMatchObject([{ topic: 'millrace.outcomes', partition: 0, offset: 0 }]);
});

test('a value that fails on too many outcomes stops the scan, and on few says nothing of them', async () => {
  const labels = await lateLabels();
  const failing = {
    ...labels,
    value: (_: unknown, o: { value?: unknown }, reasons: string[]) => {
      if (o.value === 13) reasons.push('value: the function threw Error: unlucky');
      return o.value === 13 ? null : 1;
    },
  };
  const broker = brokerWith(
    [decided({ id: 'a', atUs: 0 })],
    [13, 1].map((value, index) => heard({ id: `${index}`, decision: 'a', atUs: 0, value })),
  );
  const { rows, scan } = await scanned(failing, broker);
  expect(brief(rows)).toEqual(['a=1']);
  expect(scan.counts.invalid).toBe(1);
  const strict = { ...failing, outcomes: { ...failing.outcomes, invalidLimit: { rate: 0.1, window: 1000 } } };
  await expect(scanned(strict, broker)).rejects.toMatchObject({
    code: 'too-many-invalid-records',
    message: expect.stringMatching(/`value` fails on 1 of 2 outcomes.*unlucky/s),
  });
});

test('a scan is repeated by its pin, whatever came since', async () => {
  const labels = await lateLabels();
  const broker = brokerWith(
    [decided({ id: 'a', atUs: 0 })],
    [heard({ id: '1', decision: 'a', atUs: 500, value: 3 }, 1_000)],
  );
  const first = await scanned(labels, broker);
  broker.append('millrace.decisions', 0, [
    { value: Buffer.from(JSON.stringify(decisionJson({ id: 'b', atUs: 1 }))), timestampUs: T0_US + 2_000 },
  ]);
  broker.append('millrace.outcomes', 1, [
    {
      value: Buffer.from(JSON.stringify(outcomeJson({ id: '2', decision: 'a', atUs: 900, knownUs: 950, value: 4 }))),
      timestampUs: T0_US + 60_000,
    },
  ]);
  const again = await scanned(labels, broker, { pinned: first.scan.pin, nowUs: 7_200_000_000 });
  expect(again.rows).toEqual(first.rows);
  expect(again.scan.counts).toEqual(first.scan.counts);
  const now = await scanned(labels, broker);
  expect(brief(now.rows)).toEqual(['a=4', 'b:left-out']);
  // It says that it was known in time; that its record came after maturity is told.
  expect(now.scan.counts.arrivedLate).toBe(1);
});

test('a scan that is left early, or aborted, gives up what it holds, and is read once', async () => {
  const broker = brokerWith([decided({ id: 'a', atUs: 0 })], []);
  const labels = await lateLabels();
  const { scan } = await scanned(labels, broker);
  await expect(scan[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'internal-bug' });
  await scan.close();
  await expect(scanned(labels, broker, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});

test('what was said before there were topics is read of files, which come first', async () => {
  const folder = join(spillDir, 'said');
  await mkdir(folder, { recursive: true });
  const lines = (...rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await writeFile(
    join(folder, 'choices.jsonl'),
    lines(decisionJson({ id: 'old', atUs: -5_000 }), decisionJson({ id: 'new', atUs: 0 })),
  );
  await writeFile(
    join(folder, 'clicks.jsonl'),
    // Of one that does not say since when it could be known its own time is.
    lines(
      outcomeJson({ id: '1', decision: 'old', atUs: -4_000, value: 1 }),
      outcomeJson({ id: '2', decision: 'old', atUs: -3_000, knownUs: 6_000, value: 2 }),
    ),
  );
  const until = formatDateTime(T0_US);
  const [context, value] = [z.object({ flight: z.string().nullable() }), z.number().nullable()];
  const late = labelSet('late', {
    decisions: decisions('choices', {
      context,
      topic: 'millrace.decisions',
      history: { path: 'said/choices.jsonl', until },
    }),
    outcomes: outcomes('clicks', {
      value,
      entity: z.object({ flight: z.string() }),
      topic: 'millrace.outcomes',
      history: { path: 'said/clicks.jsonl', until },
    }),
    matureAfter: '10ms',
    absent: 'leave-out',
    value: (_, o) => o.value,
  });
  const { labelSets } = await compileDefinitions(definitionsInMemory([late], spillDir));
  const broker = brokerWith(
    [decided({ id: 'new', atUs: 0 })],
    [heard({ id: '3', decision: 'new', atUs: 1_000, value: 3 })],
  );
  const { rows } = await scanned(labelSets.get('late')!, broker);
  expect(brief(rows)).toEqual(['old=1', 'new=3']);
});
