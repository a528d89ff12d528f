import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { epoch } from '../../engine/contract/epoch.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import type { SourceFacts } from '../../engine/define/source.ts';
import { ANY_INVALID, caseSource, CaseWorld, ID_AT, type Situation, T, user } from './case-world.ts';

let world: CaseWorld;
beforeAll(async () => {
  world = await CaseWorld.open(inject('stack'));
});
afterAll(() => world.close());

const record = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify({ id: 'a', at: T, ...fields });
const labelsAt = (...times: readonly string[]) => times.map((at) => ({ key: { id: 'a' }, at }));

describe('case 18: an epoch number as event time', () => {
  const MS = 1_700_000_000_000;
  const AFTER = labelsAt('2023-11-15T00:00:00Z');
  const of = (unit: 's' | 'ms' | 'us' | 'ns', options: Partial<SourceFacts> = {}): Situation['define'] => {
    return (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: epoch(unit), x: z.int() }, { invalidLimit: ANY_INVALID, ...options }),
        features: (f) => ({ n: f.count(), x: f.sum('x'), n_1d: f.count().over('1d'), at: f.last('at') }),
      });
  };

  it('its unit is declared once, for files and topic', async () => {
    for (const [unit, number] of [
      ['s', MS / 1000],
      ['ms', MS],
      ['us', MS * 1000],
    ] as const) {
      for (const files of [
        { 'h/a.parquet': `SELECT 'a' AS id, ${number}::BIGINT AS "at", 1 AS x` },
        { 'h/a.parquet': `SELECT 'a' AS id, ${number}::DOUBLE AS "at", 1 AS x` },
        { 'h/a.csv': `id,at,x\na,${number},1\n` },
        { 'h/a.jsonl': record({ at: String(number), x: 1 }) },
      ] as Record<string, string>[]) {
        const records = [record({ at: number, x: 2 }), record({ at: String(number), x: 4 })];
        const { rows } = await world.play({ define: of(unit), files, records, labels: AFTER });
        expect(rows).toEqual([{ n: 3n, x: 7n, n_1d: 3n, at: MS * 1000 }]);
      }
    }
    const files = { 'h/a.parquet': `SELECT 'a' AS id, 1700000000000000000::BIGINT AS "at", 1 AS x` };
    const records = [record({ at: '1700000000000000000', x: 2 })];
    const { rows } = await world.play({ define: of('ns'), files, records, labels: AFTER });
    expect(rows).toEqual([{ n: 2n, x: 3n, n_1d: 2n, at: MS * 1000 }]);
  });

  it('one in another unit is invalid and told as such; so is what is no whole number', async () => {
    const files = {
      'h/a.parquet': `SELECT 'a' AS id, unnest([${MS}, ${MS / 1000}, ${MS}000])::BIGINT AS "at", 1 AS x`,
    };
    const records = [MS, MS / 1000, MS * 1000, MS * 1e6, MS + 0.5, null, T, 1e20].map((at) => record({ at, x: 1 }));
    const { counts, letters } = await world.play({ define: of('ms'), files, records, labels: AFTER });
    expect(counts).toMatchObject({ applied: 2, invalid: 9 });
    const head = 'at: expected a time in epoch milliseconds, a whole number or its digits, received ';
    expect(letters.map(({ reasons }) => reasons.replace(head, ''))).toEqual([
      `${MS / 1000}; looks like seconds`,
      `${MS * 1000}; looks like microseconds`,
      `${MS / 1000}; looks like seconds`,
      `${MS * 1000}; looks like microseconds`,
      `${MS * 1e6}; looks like nanoseconds`,
      `${MS + 0.5}`,
      'null',
      `"${T}"`,
      '100000000000000000000; beyond 2^53 a JSON number or a double has lost digits: send it as text',
    ]);
  });

  it('a number for a datetime and a datetime for a number: plan says which declaration takes it', async () => {
    const datetime: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, ID_AT),
        features: (f) => ({ n: f.count() }),
      });
    const number = { 'h/a.parquet': `SELECT 'a' AS id, ${MS}::BIGINT AS "at", 1 AS x` };
    const time = { 'h/a.parquet': `SELECT 'a' AS id, TIMESTAMPTZ '${T}' AS "at", 1 AS x` };
    expect(await world.refusals({ define: datetime, files: number })).toEqual([
      expect.stringMatching(
        /^column-type-mismatch at schema\.at: .*BIGINT\. Declare epoch\('s' \| 'ms' \| 'us' \| 'ns'\)/,
      ),
    ]);
    expect(await world.refusals({ define: of('ms'), files: time })).toEqual([
      expect.stringMatching(/^column-type-mismatch at schema\.at: .*Declare z\.iso\.datetime\(\)/),
    ]);
  });
});

describe('case 20: the hour that exists twice', () => {
  const LABELS = labelsAt(
    '2024-11-03T05:30:00Z',
    '2024-11-03T06:00:00Z',
    '2024-11-03T06:30:00Z',
    '2024-11-03T06:45:00Z',
    // The same instant as 06:45Z, twice an hour apart on a clock of New York.
    '2024-11-03T01:45:00-05:00',
    '2024-11-03T07:45:00Z',
  );
  const twice = ['2024-11-03T01:30:00-04:00', '2024-11-03T01:30:00-05:00'];
  const define: Situation['define'] = (own) =>
    featureView(own.name, {
      entity: user,
      source: caseSource(own, { ...ID_AT, at: z.iso.datetime({ offset: true }), x: z.int() }),
      features: (f) => ({ n: f.count(), n_1h: f.count().over('1h'), x: f.last('x') }),
    });
  const expected = [
    [0n, 0n, null],
    [1n, 1n, 1n],
    [1n, 1n, 1n],
    [2n, 1n, 2n],
    [2n, 1n, 2n],
    [2n, 0n, 2n],
  ];

  it('two events an hour apart, from a topic, a CSV, JSON lines, and texts of Parquet', async () => {
    const before = '2020-01-01T00:00:00Z';
    for (const [files, records] of [
      [{ 'h/a.csv': `id,at,x\nother,${before},0\n` }, twice.map((at, n) => record({ at, x: n + 1 }))],
      [{ 'h/a.csv': `id,at,x\n${twice.map((at, n) => `a,${at},${n + 1}\n`).join('')}` }, []],
      [{ 'h/a.jsonl': record({ at: twice[0], x: 1 }) }, [record({ at: twice[1], x: 2 })]],
      [{ 'h/a.parquet': `SELECT 'a' AS id, '${twice[0]}' AS "at", 1 AS x` }, [record({ at: twice[1], x: 2 })]],
    ] as [Record<string, string>, string[]][]) {
      const { rows } = await world.play({ define, files, records, labels: LABELS });
      expect(rows.map(({ n, n_1h: hour, x }) => [n, hour, x])).toEqual(expected);
    }
  });

  it('a contract without offset says so per record', async () => {
    const strict: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, x: z.int() }, { invalidLimit: ANY_INVALID }),
        features: (f) => ({ n: f.count() }),
      });
    const files = { 'h/a.csv': `id,at,x\na,${twice[0]},1\n` };
    const { letters } = await world.play({ define: strict, files, records: [record({ at: twice[1], x: 1 })] });
    expect(letters.map(({ reasons }) => reasons)).toEqual(
      twice.map((at) =>
        expect.stringMatching(`received "${at}"; a time with an offset needs z\\.iso\\.datetime\\(\\{ offset: true`),
      ),
    );
  });

  it('a time without any zone counts as UTC where that is declared, and is refused where not', async () => {
    const local: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: z.iso.datetime({ local: true }) }),
        features: (f) => ({ n: f.count(), at: f.last('at') }),
      });
    const plain = T.slice(0, -1);
    for (const files of [
      { 'h/a.csv': `id,at\na,${plain.replace('T', ' ')}\n` },
      { 'h/a.jsonl': record({ at: plain }) },
      { 'h/a.parquet': `SELECT 'a' AS id, TIMESTAMP '${plain}' AS "at"` },
      { 'h/a.parquet': `SELECT 'a' AS id, '${plain}' AS "at"` },
    ] as Record<string, string>[]) {
      const { rows } = await world.play({ define: local, files, records: [record({ at: plain }), record({})] });
      expect(rows).toEqual([{ n: 3n, at: Date.parse(T) * 1000 }]);
    }
  });
});

describe('dates as event times', () => {
  const define = (which: 'start' | 'end' | undefined): Situation['define'] => {
    return (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: z.iso.date() }, { eventTimeAt: which }),
        features: (f) => ({ n: f.count(), n_1d: f.count().over('1d') }),
      });
  };
  const labels = labelsAt(T, '2024-05-01T00:00:00.000001Z', '2024-05-02T00:00:00Z', '2024-05-02T00:00:00.000001Z');
  const records = [record({ at: '2024-05-01' })];

  it('count from the midnight that is declared, in every format', async () => {
    for (const files of [
      { 'h/a.csv': 'id,at\na,2024-05-01\n' },
      { 'h/a.parquet': `SELECT 'a' AS id, DATE '2024-05-01' AS "at"` },
      { 'h/a.parquet': `SELECT 'a' AS id, '2024-05-01' AS "at"` },
    ] as Record<string, string>[]) {
      const start = await world.play({ define: define('start'), files, records, labels });
      expect(start.rows.map(({ n }) => n)).toEqual([0n, 2n, 2n, 2n]);
      const end = await world.play({ define: define('end'), files, records, labels });
      expect(end.rows.map(({ n }) => n)).toEqual([0n, 0n, 0n, 2n]);
    }
  });

  it('are refused by plan where none is declared', async () => {
    expect(await world.refusals({ define: define(undefined), files: { 'h/a.csv': 'id,at\na,2024-05-01\n' } })).toEqual([
      expect.stringMatching(/^invalid-event-time-at at eventTimeAt: .*Give eventTimeAt: 'end'/),
    ]);
  });
});

describe("case 24: an event at exactly the label's time", () => {
  it('is not known yet: 0, 0, 1; the read at that time says that it is ahead', async () => {
    const before = '2024-04-30T23:59:59.999999Z';
    const after = '2024-05-01T00:00:00.000001Z';
    for (const [files, records] of [
      [{ 'h/a.csv': `id,at,x\na,${T},7\n` }, []],
      [{ 'h/a.csv': `id,at,x\nother,${before},0\n` }, [record({ x: 7 })]],
    ] as [Record<string, string>, string[]][]) {
      const define: Situation['define'] = (own) =>
        featureView(own.name, {
          entity: user,
          source: caseSource(own, { ...ID_AT, x: z.int() }),
          features: (f) => ({ n: f.count(), n_1h: f.count().over('1h'), first: f.first('x'), last: f.last('x') }),
        });
      const { rows, ahead } = await world.play({ define, files, records, labels: labelsAt(before, T, after) });
      const none = { n: 0n, n_1h: 0n, first: null, last: null };
      expect(rows).toEqual([none, none, { n: 1n, n_1h: 1n, first: 7n, last: 7n }]);
      expect(ahead).toEqual([true, true, false]);
    }
  });
});
