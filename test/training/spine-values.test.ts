import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DuckDb, openDuckDb, quoteName } from '../../engine/duckdb/duckdb.ts';
import { loadSpine } from '../../engine/training/load-spine.ts';
import { ROW_COLUMN, SPINE_TABLE } from '../../engine/training/spine-columns.ts';
import { findSpineFile } from '../../engine/training/spine-file.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';

/** Label columns come out as they came in: random columns through a file, DuckDB and Parquet, against what stood in the file. */
let duckdb: DuckDb;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-values-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

/** The one column of a spine, as Parquet has it: its type, and its values as DuckDB prints them. */
async function throughParquet(file: string, content: string): Promise<{ type: string; values: (string | null)[] }> {
  const path = join(folder, file);
  const out = join(folder, 'out.parquet');
  await writeFile(path, content);
  await duckdb.run(`DROP TABLE IF EXISTS ${SPINE_TABLE}`);
  const columns = await loadSpine(duckdb, await findSpineFile(path), new Set(), folder, new AbortController().signal);
  const { name, output } = columns.at(-1)!;
  await duckdb.run(
    `COPY (SELECT ${output} AS ${quoteName(name)} FROM ${SPINE_TABLE} ORDER BY ${ROW_COLUMN}) TO '${out}' (FORMAT parquet)`,
  );
  const [described] = await duckdb.query<{ column_type: string }>(`DESCRIBE SELECT * FROM '${out}'`);
  const rows = await duckdb.query<{ v: string | null }>(`SELECT ${quoteName(name)}::VARCHAR AS v FROM '${out}'`);
  return { type: described!.column_type, values: rows.map(({ v }) => v) };
}

/** A number's value as a fraction of whole numbers. */
function fractionOf(text: string): readonly [bigint, bigint] {
  const [, sign, whole, fraction = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const shift = Number(power) - fraction.length;
  const units = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n);
  return shift >= 0 ? [units * 10n ** BigInt(shift), 1n] : [units, 10n ** BigInt(-shift)];
}

function isSameNumber(a: string, b: string): boolean {
  const [x, dx] = fractionOf(a);
  const [y, dy] = fractionOf(b);
  return x * dy === y * dx;
}

const whole = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map(String),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
);
const short = fc.stringMatching(/^-?(0|[1-9]\d{0,6})\.\d{1,6}$/);
const long = fc.stringMatching(/^-?(0|[1-9]\d{0,20})\.\d{1,20}$/);
const exponent = fc.stringMatching(/^-?[1-9](\.\d{1,5})?[eE][+-]?\d{1,3}$/);
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value));
/** As money is written: one number of digits after the point in all rows, zeros too. */
const fixed = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.array(fc.integer({ min: 1, max: 10 ** 9 }), { minLength: 1, maxLength: 6 }))
  .map(([scale, units]) => units.map((unit) => (unit / 10 ** scale).toFixed(scale)));
/** Columns of one kind, as programs write them, and mixed ones. */
const columns = fc.oneof(
  fixed,
  ...[whole, short, long, exponent, double, fc.oneof(whole, short), fc.oneof(whole, short, long, exponent, double)].map(
    (number) => fc.array(number, { minLength: 1, maxLength: 6 }),
  ),
);
/** Every type is met whatever is drawn. */
const ofEachType: [string[]][] = [[['1', '20']], [['0.50', '1.25']], [['0.5', '1e+30']], [['1', '0.50', '1e5']]];

test(`numbers of JSON keep their value (LAW_SEED=${lawSeed})`, async () => {
  const types = new Set<string>();
  await fc.assert(
    fc.asyncProperty(columns, async (numbers) => {
      const { type, values } = await throughParquet('n.jsonl', numbers.map((text) => `{"x":${text}}\n`).join(''));
      types.add(type.replace(/\(.*/, ''));
      const wrong = numbers.filter((text, row) => !isSameNumber(text, values[row]!));
      expect({ type, wrong, values: wrong.length === 0 ? [] : values }).toEqual({ type, wrong: [], values: [] });
    }),
    { ...lawRuns(300), examples: ofEachType },
  );
  expect([...types].sort()).toEqual(['BIGINT', 'DECIMAL', 'DOUBLE', 'VARCHAR']);
});

test(`numbers of CSV keep their spelling, but for how a double is printed (LAW_SEED=${lawSeed})`, async () => {
  const types = new Set<string>();
  await fc.assert(
    fc.asyncProperty(columns, async (numbers) => {
      const { type, values } = await throughParquet('n.csv', `x\n${numbers.map((text) => `${text}\n`).join('')}`);
      types.add(type.replace(/\(.*/, ''));
      if (type !== 'DOUBLE') expect([type, ...values]).toEqual([type, ...numbers]);
      else expect(numbers.filter((text, row) => !isSameNumber(text, values[row]!))).toEqual([]);
    }),
    { ...lawRuns(300), examples: ofEachType },
  );
  expect([...types].sort()).toEqual(['BIGINT', 'DECIMAL', 'DOUBLE', 'VARCHAR']);
});

test(`any JSON comes out as the same JSON (LAW_SEED=${lawSeed})`, async () => {
  const value = fc.jsonValue({ maxDepth: 3 }).filter((one) => !JSON.stringify(one).includes('"__proto__"'));
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 4 }), async (given) => {
      const path = join(folder, 'v.jsonl');
      await writeFile(path, given.map((one) => `${JSON.stringify({ x: one })}\n`).join(''));
      await duckdb.run(`DROP TABLE IF EXISTS ${SPINE_TABLE}`);
      const [column] = await loadSpine(
        duckdb,
        await findSpineFile(path),
        new Set(['x']),
        folder,
        new AbortController().signal,
      );
      const rows = await duckdb.query<{ v: string | null }>(
        `SELECT to_json(${column!.output})::VARCHAR AS v FROM ${SPINE_TABLE} ORDER BY ${ROW_COLUMN}`,
      );
      expect(rows.map(({ v }) => (v === null ? null : (JSON.parse(v) as unknown)))).toEqual(
        JSON.parse(JSON.stringify(given)),
      );
    }),
    lawRuns(200),
  );
});
