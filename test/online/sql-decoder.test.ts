import type { PoolClient } from 'pg';
import { array, assert, asyncProperty, constantFrom, nat } from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { isCellError, STATE_CORRUPT } from '../../engine/values/cell.ts';
import { ALL_CORRUPT, errorOf, type FeatureErrors } from '../../engine/values/feature-errors.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { installSqlSurface } from '../../engine/online/sql-surface.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createStateTable } from '../../engine/postgres/state-table.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { CorruptState, openStored, stateCrc } from '../../engine/state/stored-state.ts';
import { eventsOf, inputsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from '../laws/arbitraries.ts';
import { stateOf } from '../laws/engine-reads.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { asCarried, exactText, expectedText } from './sql-values-as-text.ts';

let database: OwnDatabase;
let surfaces = 0;
const readers: PoolClient[] = [];

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterEach(() => {
  for (const reader of readers.splice(0)) reader.release(true);
});
afterAll(() => database.drop());

interface SqlRead {
  readonly values: readonly (string | null)[];
  /** Null: it has expired, and is left out. */
  readonly ahead: boolean | null;
  readonly errors: FeatureErrors | null;
}

type ReadSql = (state: Uint8Array, crc: number | null, atUs: number) => Promise<SqlRead>;

/**
 * Installs the SQL surface of a layout and gives the function that decodes bytes with it, over a connection that ends with the test: what Postgres
 * compiles of a decoder it keeps as long as the connection, and goes through all of it whenever a function or a table is made.
 */
async function sqlReader(layout: ViewLayout): Promise<ReadSql> {
  const table = `${layout.view}_v1`;
  const { layoutTag } = createViewReducer(layout);
  await withTransaction(database.pool, async (client) => {
    await createStateTable(client, layout, table);
    await installSqlSurface(client, { layout, layoutTag, stateTable: table }, null);
  });
  const columns = layout.features.map((feature, index) => exactText(feature.result, `r.o${index}`));
  const text = `SELECT r.ahead, r.errors, ${columns.join(', ')} FROM millrace_sql.${layout.view}_read($1, $2, timestamptz '1970-01-01 00:00:00+00' + $3::bigint * interval '1 microsecond') r`;
  const reader = await database.pool.connect();
  readers.push(reader);
  return async (state, crc, atUs) => {
    const { rows } = await reader.query<[boolean | null, FeatureErrors | null, ...(string | null)[]]>({
      name: `read-${layout.view}`,
      text,
      values: [Buffer.from(state), crc, atUs],
      rowMode: 'array',
    });
    const [ahead, errors, ...values] = rows[0]!;
    return { values: values.map((value, index) => asCarried(layout.features[index]!.result, value)), ahead, errors };
  };
}

/** What the engine makes of stored bytes, as SQL has to show it. */
function expectedRead(layout: ViewLayout, bytes: Uint8Array, crc: number | null, atUs: number): SqlRead {
  const reducer = createViewReducer(layout);
  const state = openStored(reducer, bytes, crc);
  if (state instanceof CorruptState)
    return { values: layout.features.map(() => null), ahead: false, errors: ALL_CORRUPT };
  if (layout.expireUs !== undefined && state.newestEventTimeUs <= atUs - layout.expireUs && bytes.length > 5)
    return { values: layout.features.map(() => null), ahead: null, errors: null };
  const errors: Record<string, string> = {};
  const values = reducer.read(state, atUs).map((cell, index) => {
    const { name, result } = layout.features[index]!;
    if (isCellError(cell)) errors[name] = cell.code;
    // Postgres has no place for it.
    else if (typeof cell === 'string' && /\0|\\u0000/.test(cell)) errors[name] = 'unstorable-text';
    else return expectedText(result, cell);
    return null;
  });
  const isSound = Object.keys(errors).length === 0;
  return { values, ahead: atUs <= state.newestEventTimeUs, errors: isSound ? null : (errors as FeatureErrors) };
}

const cases = [
  { tiled: tilings.slice(0, 3), lifetime: true, isDivided: false },
  { tiled: tilings.slice(0, 1), lifetime: true, isDivided: false, expireUs: 60_000_001 },
  { tiled: [tilings[5]!], lifetime: false, isDivided: false },
  { tiled: [tilings[3]!, tilings[4]!], lifetime: false, isDivided: false },
  { tiled: [tilings[1]!], lifetime: true, isDivided: true },
];

/** One byte another one, some left out, some more: what a disk, a hand or an older version may make of a state. */
function damaged(bytes: Uint8Array, kind: number, at: number, value: number): Uint8Array {
  const copy = Buffer.from(bytes);
  const place = at % copy.length;
  switch (kind % 5) {
    case 0:
      copy[place] = value;
      return copy;
    case 1:
      copy[place]! ^= 1 << (value % 8);
      return copy;
    case 2:
      return copy.subarray(0, place);
    case 3:
      return Buffer.concat([copy, Buffer.alloc((value % 3) + 1, value)]);
    default:
      return Buffer.concat([copy.subarray(0, place), Buffer.from([value | 128]), copy.subarray(place)]);
  }
}

describe('the generated SQL decoder reads every state as the engine does, bit for bit, errors included', () => {
  for (const type of scalarTypes) {
    for (const tieBreak of ['id', 'integer-id', 'offset'] as const) {
      it(`${typeName(type)}, ties by ${tieBreak}`, async () => {
        const surface = surfaces++;
        for (const [index, { tiled, lifetime, isDivided, expireUs }] of cases.entries()) {
          const law = layoutOf(type, tieBreak, tiled, lifetime, isDivided);
          const layout = { ...law, view: `law_${surface}_${index}`, expireUs };
          const reducer = createViewReducer(layout);
          const readSql = await sqlReader(layout);
          await assert(
            asyncProperty(
              eventsOf(layout, type, tiled, 16),
              array(nat(), { minLength: 3, maxLength: 3 }),
              array(nat(), { minLength: 9, maxLength: 9 }),
              async (events, picks, damages) => {
                const state = stateOf(reducer, events);
                const bytes = reducer.encode(state);
                const crc = stateCrc(bytes);
                const earliest = Math.min(...events.map((event) => event.eventTimeUs), 0);
                const edges =
                  expireUs === undefined
                    ? []
                    : events.flatMap(({ eventTimeUs }) => [-1, 0, 1].map((step) => eventTimeUs + expireUs + step));
                const times = [...readTimesOf(layout, events, earliest), ...edges].filter(
                  (at) => at > -8_000_000_000_000_000 && Number.isSafeInteger(at),
                );
                for (const [number, pick] of picks.entries()) {
                  const atUs = times[pick % times.length];
                  if (atUs === undefined) continue;
                  expect(await readSql(bytes, crc, atUs)).toEqual(expectedRead(layout, bytes, crc, atUs));
                  const [kind, at, value] = damages.slice(number * 3) as [number, number, number];
                  const broken = damaged(bytes, kind, at, value % 256);
                  // By their checksum, and where there is none or it is theirs, by themselves.
                  for (const given of [crc, null, stateCrc(broken)])
                    expect(await readSql(broken, given, atUs)).toEqual(expectedRead(layout, broken, given, atUs));
                }
              },
            ),
            lawRuns(12),
          );
        }
      });
    }
  }

  it('refuses a state of another layout rather than misread it', async () => {
    const layout = { ...layoutOf({ kind: 'int' }, 'id', [], true), view: 'law_other' };
    const readSql = await sqlReader(layout);
    const other = createViewReducer({ ...layout, view: 'law_another' });
    expect((await readSql(other.encode(other.empty()), null, 0)).errors).toEqual({ '*': STATE_CORRUPT.code });
  });

  it('reads counts of more distinct values than hashes are kept', async () => {
    const wide = layoutOf({ kind: 'int' }, 'id', [tilings[1]!], true);
    const slots = wide.slots.map((slot) => (slot.partial === 'approxDistinct' ? { ...slot, hashes: 5 } : slot));
    const layout = { ...wide, slots, view: 'law_hashes' };
    const reducer = createViewReducer(layout);
    const readSql = await sqlReader(layout);
    for (const count of [4, 5, 6, 40]) {
      const events = Array.from({ length: count }, (_, index) => ({
        keyText: 'k',
        key: ['k'],
        eventTimeUs: index * 1_000_000,
        id: `${index}`,
        partition: 0,
        offset: index,
        inputs: inputsOf(layout, index * 17, 0),
      }));
      const bytes = reducer.encode(stateOf(reducer, events));
      for (const atUs of [count * 1_000_000, 50_000_000])
        expect(await readSql(bytes, stateCrc(bytes), atUs)).toEqual(expectedRead(layout, bytes, stateCrc(bytes), atUs));
    }
  });

  it('reads quantiles of as many buckets as there may be, and none of more', async () => {
    const wide = layoutOf({ kind: 'double' }, 'id', [tilings[0]!], true);
    const slots = wide.slots.map((slot) => (slot.partial === 'quantiles' ? { ...slot, octaveBits: 0 } : slot));
    const layout = { ...wide, slots, view: 'law_buckets' };
    const reducer = createViewReducer(layout);
    const readSql = await sqlReader(layout);
    const states = [64, 65, 66].map((count) =>
      stateOf(
        reducer,
        Array.from({ length: count }, (_, index) => ({
          keyText: 'k',
          key: ['k'],
          eventTimeUs: index * 2_000_000,
          id: `${index}`,
          partition: 0,
          offset: index,
          inputs: inputsOf(layout, 2 ** index, 0),
        })),
      ),
    );
    const errors: unknown[] = [];
    for (const state of states) {
      const bytes = reducer.encode(state);
      const read = await readSql(bytes, stateCrc(bytes), 140_000_000);
      expect(read).toEqual(expectedRead(layout, bytes, stateCrc(bytes), 140_000_000));
      // Counts of distinct values have limits of their own.
      const ofBuckets = layout.features.filter(({ slot }) => slots[slot]?.partial === 'quantiles');
      errors.push(new Set(ofBuckets.flatMap(({ name }) => errorOf(read.errors, name) ?? [])));
    }
    expect(errors).toEqual([new Set(), new Set(['too-many-distinct']), new Set(['too-many-distinct'])]);
  });

  it('reads means that underflow, and sums that reach the edge of double, as the engine does', async () => {
    const layout = { ...layoutOf({ kind: 'double' }, 'id', [], true), view: 'law_edges' };
    const reducer = createViewReducer(layout);
    const readSql = await sqlReader(layout);
    const tiny = [5e-324, -5e-324, 1e-323, 2.2250738585072014e-308, 0];
    const huge = [Number.MAX_VALUE, -Number.MAX_VALUE, 1e308, 2 ** 1023, 2 ** 970, -(2 ** 969), 1];
    for (const values of [tiny, huge]) {
      await assert(
        asyncProperty(array(constantFrom(...values), { minLength: 1, maxLength: 9 }), async (inputs) => {
          const state = stateOf(
            reducer,
            inputs.map((value, index) => ({
              keyText: 'k',
              key: ['k'],
              eventTimeUs: index,
              id: `${index}`,
              partition: 0,
              offset: index,
              inputs: inputsOf(layout, value, index % 2),
            })),
          );
          const bytes = reducer.encode(state);
          expect(await readSql(bytes, stateCrc(bytes), 1_000)).toEqual(
            expectedRead(layout, bytes, stateCrc(bytes), 1_000),
          );
        }),
        lawRuns(40),
      );
    }
  });
});
