import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { featureView } from '../../engine/define/feature-view.ts';
import type { SourceFacts } from '../../engine/define/source.ts';
import { ANY_INVALID, caseSource, CaseWorld, ID_AT, type Situation, T, user } from './case-world.ts';

let world: CaseWorld;
beforeAll(async () => {
  world = await CaseWorld.open(inject('stack'));
});
afterAll(() => world.close());

const at = `TIMESTAMPTZ '${T}' AS "at"`;
const parquet = (columns: string): string => `SELECT 'a' AS id, ${at}, ${columns}`;
const fixture = (name: string): Promise<Buffer> => readFile(join(import.meta.dirname, 'fixtures', `${name}.parquet`));
const record = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify({ id: 'a', at: T, ...fields });

describe('case 8: digits finer than a microsecond, and dates far away', () => {
  const LOCAL = z.iso.datetime({ local: true });
  const times = (time: z.ZodISODateTime, options: Partial<SourceFacts> = {}): Situation['define'] => {
    return (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: time, x: z.int() }, { invalidLimit: ANY_INVALID, ...options }),
        features: (f) => ({ n: f.count(), x: f.sum('x'), first: f.first('at'), last: f.last('at') }),
      });
  };
  const CUT = { finerThanMicros: 'truncate' } as const;
  const US = Date.parse(T) * 1000 + 123_456;
  const fine = [
    record({ at: '2024-05-01T00:00:00.123456789Z', x: 1 }),
    record({ at: '2024-05-01T00:00:00.123456000Z', x: 2 }),
  ];

  it('one rule: cut where the source says so, in every encoding', async () => {
    for (const name of ['int96-nanos', 'nanos-local', 'nanos-utc']) {
      const files = { 'h/a.parquet': await fixture(name) };
      const { rows } = await world.play({ define: times(LOCAL, CUT), files, records: fine });
      expect([name, rows]).toEqual([name, [{ n: 4n, x: 6n, first: US, last: US }]]);
    }
    const csv = { 'h/a.csv': `id,at,x\na,2024-05-01 00:00:00.123456789,1\na,2024-05-01T00:00:00.123456Z,2\n` };
    const { rows } = await world.play({ define: times(LOCAL, CUT), files: csv, records: fine });
    expect(rows).toEqual([{ n: 4n, x: 6n, first: US, last: US }]);
  });

  it('without it invalid row by row where they can be seen, refused by plan where a reader hides them', async () => {
    const words = /digits finer than a microsecond must be zero, unless the source says finerThanMicros: 'truncate'/;
    const { rows, letters } = await world.play({
      define: times(LOCAL),
      files: { 'h/a.parquet': await fixture('nanos-local') },
      records: fine,
    });
    expect(rows).toEqual([{ n: 2n, x: 4n, first: US, last: US }]);
    expect(letters.map(({ reasons }) => reasons)).toEqual([0, 1].map(() => expect.stringMatching(words)));
    for (const name of ['int96-nanos', 'int96-micros', 'nanos-utc', 'nanos-utc-whole']) {
      const files = { 'h/a.parquet': await fixture(name) };
      const [fault, ...more] = await world.refusals({ define: times(LOCAL), files });
      expect(fault).toMatch(/^column-type-mismatch at schema\.at: .*finerThanMicros: 'truncate'/);
      expect(more).toEqual([]);
      // The remedy works, and of a file without a zone all of it is told at once.
      const [strict] = await world.refusals({ define: times(z.iso.datetime()), files });
      expect(strict).toContain("finerThanMicros: 'truncate'");
      if (name.startsWith('int96')) expect(strict).toContain('z.iso.datetime({ local: true })');
      expect(await world.refusals({ define: times(LOCAL, CUT), files })).toEqual([]);
    }
  });

  it('files with and without a zone, of every encoding, one beside the other', async () => {
    const files = {
      'h/a.parquet': await fixture('int96-nanos'),
      'h/b.parquet': await fixture('nanos-utc'),
      'h/c.parquet': await fixture('nanos-local'),
      'h/d.parquet': `SELECT 'a' AS id, TIMESTAMP '2024-05-01' AS "at", 1 AS x`,
      'h/e.parquet': parquet('1 AS x'),
      'h/f.parquet': `SELECT 'a' AS id, TIMESTAMP_MS '2024-05-01' AS "at", 1 AS x`,
      'h/g.parquet': `SELECT 'a' AS id, '2024-05-01T00:00:00' AS "at", 1 AS x`,
      'h/h.parquet': await fixture('zone-paris'),
    };
    const { rows } = await world.play({ define: times(LOCAL, CUT), files });
    expect(rows[0]).toMatchObject({ n: 12n, first: Date.parse(T) * 1000, last: Date.parse(T) * 1000 + 1_000_000 });
    const faults = await world.refusals({ define: times(z.iso.datetime(), CUT), files });
    expect(faults.map((fault) => /h\/(\w)\.parquet/.exec(fault)?.[1])).toContain('d');
  });

  it('INT96 as Spark writes it: dictionary, several row groups, nulls', async () => {
    const define: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: LOCAL, x: z.int(), seen: LOCAL.nullable() }, CUT),
        features: (f) => ({ n: f.count(), x: f.sum('x'), seen: f.max('seen'), known: f.count('seen') }),
      });
    const { rows } = await world.play({ define, files: { 'h/a.parquet': await fixture('int96-groups') } });
    expect(rows).toEqual([{ n: 300n, x: 44_850n, seen: Date.parse(T) * 1000 + 299, known: 200n }]);
  });

  it('the same rule holds for times within objects and lists', async () => {
    const nested = (options: Partial<SourceFacts>): Situation['define'] => {
      const members = { ...ID_AT, at: LOCAL, x: z.int(), o: z.object({ t: LOCAL }), l: z.array(LOCAL) };
      return (own) =>
        featureView(own.name, {
          entity: user,
          source: caseSource(own, members, { invalidLimit: ANY_INVALID, ...options }),
          features: (f) => ({
            n: f.count(),
            t: f.min((e) => e.o.t, { type: z.iso.datetime() }),
            l: f.last((e) => e.l[0] ?? null, { type: z.iso.datetime() }),
          }),
        });
    };
    const start = Date.parse(T) * 1000;
    const int96 = { 'h/a.parquet': await fixture('nested-int96') };
    const utc = { 'h/b.parquet': await fixture('nested-times') };
    expect((await world.play({ define: nested(CUT), files: int96 })).rows).toEqual([{ n: 2n, t: -1, l: start + 2 }]);
    // Its second row is of 1969, and cut otherwise.
    const { rows, counts } = await world.play({ define: nested(CUT), files: { ...int96, ...utc } });
    expect(rows[0]).toMatchObject({ n: 3n, t: -1 });
    expect(counts).toMatchObject({ applied: 3, invalid: 1 });
    const faults = await world.refusals({ define: nested({}), files: int96 });
    expect(faults.map((fault) => /^(\S+ at \S+):/.exec(fault)?.[1])).toEqual(
      ['at', 'o', 'l'].map((field) => `column-type-mismatch at schema.${field}`),
    );
    expect(await world.refusals({ define: nested({}), files: utc })).toEqual([
      expect.stringMatching(/^column-type-mismatch at schema\.o: .*finerThanMicros: 'truncate'/),
    ]);
  });

  it('dates far outside are invalid rows with what they are', async () => {
    for (const name of ['far-us', 'far-ms', 'far-int96']) {
      const files = { 'h/a.parquet': await fixture(name) };
      const { rows, letters } = await world.play({ define: times(LOCAL, CUT), files });
      expect(rows[0]).toMatchObject({ n: 1n, x: 8n });
      expect(letters.map(({ reasons }) => reasons)).toEqual(
        ['0001-01-01', '1500-06-01', '9999-12-31'].map((day) =>
          expect.stringMatching(`^at: expected an ISO datetime .*from 1684 to 2255, received ${day}T00:00:00`),
        ),
      );
    }
    const far = ['0001-01-01', '1500-06-01', '9999-12-31'].map((day) => record({ at: `${day}T00:00:00Z`, x: 1 }));
    const { letters } = await world.play({ define: times(LOCAL, { ...CUT, history: undefined }), records: far });
    expect(letters).toHaveLength(3);
  });

  it('before 1970 they are cut towards the past, or invalid where the reader cut them otherwise', async () => {
    const early = [
      record({ at: '1969-12-31T23:59:59.999999999Z', x: 1 }),
      record({ at: '1969-12-31T23:59:59.999998999Z', x: 2 }),
    ];
    for (const name of ['early-nanos-local', 'early-int96']) {
      const { rows } = await world.play({
        define: times(LOCAL, CUT),
        files: { 'h/a.parquet': await fixture(name) },
        records: early,
      });
      expect(rows).toEqual([{ n: 4n, x: 6n, first: -2, last: -1 }]);
    }
    const utc = await world.play({
      define: times(LOCAL, CUT),
      files: { 'h/a.parquet': await fixture('early-nanos-utc') },
      records: early,
    });
    expect(utc.counts).toMatchObject({ applied: 2, invalid: 2 });
    expect(utc.letters[0]!.reasons).toMatch(/can be cut towards the past from 1970 on only: write the column in micro/);
  });
});
