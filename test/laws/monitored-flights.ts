import fc from 'fast-check';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { decimal, source } from '../../index.ts';
import type { NewRecord } from '../stream/memory-log.ts';
import type { OracleRecord, OracleRow } from './monitors-oracle.ts';

export const BASE_MS = Date.UTC(2026, 2, 11, 12);
const HOUR = 3_600_000;

/** A source with fields of each kind, and three segments. */
export async function monitoredFlights(topic = 'flights', more: object = {}): Promise<CompiledSource> {
  const flights = source('flights', {
    schema: z.object({
      id: z.string(),
      at: z.iso.datetime(),
      origin: z.string().nullable(),
      delay: z.int().min(-500).max(5000).nullable(),
      fare: decimal(10, 2).nullish(),
      weight: z.number().nullable(),
      cancelled: z.boolean(),
    }),
    eventTime: 'at',
    eventId: 'id',
    topic,
    segments: [
      'origin',
      { name: 'late', of: ({ delay }) => (delay === null ? null : delay > 15 ? 'late' : 'on time') },
    ],
    ...more,
  });
  const { sources } = await compileDefinitions(definitionsInMemory([flights], '/srv/models'));
  return sources.get('flights')!;
}

/** A record, and what the oracle is told of it. */
export interface Flight {
  readonly record: NewRecord;
  readonly oracle: OracleRecord;
}

const nullable = <Value>(of: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(of, { freq: 4 });

const rowArbitrary: fc.Arbitrary<OracleRow> = fc.record({
  // Dense at the edges of hours; some of last week, last year, and just ahead.
  atMs: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(fc.nat(5), fc.integer({ min: -3, max: 3 })).map(([h, ms]) => BASE_MS - h * HOUR + ms),
    },
    { weight: 2, arbitrary: fc.integer({ min: -20 * 24, max: 0 }).map((hours) => BASE_MS + hours * HOUR) },
    { weight: 1, arbitrary: fc.integer({ min: -400, max: -50 }).map((days) => BASE_MS + days * 24 * HOUR - 1) },
  ),
  origin: nullable(
    fc.oneof(
      fc.constantFrom('AMS', 'JFK', 'ORD', ''),
      fc.nat(400).map((n) => `A${n}`),
    ),
  ),
  delay: nullable(fc.oneof(fc.constant(0), fc.integer({ min: -60, max: 600 }))),
  fareCents: nullable(fc.integer({ min: -10_000, max: 1_000_000 })),
  weight: nullable(fc.integer({ min: -4000, max: 4000 }).map((n) => n / 4)),
  cancelled: fc.boolean(),
});

/** Records of every kind: rows, those too far ahead, broken ones, tombstones. */
export const flightArbitrary = (partitions: number): fc.Arbitrary<Flight> =>
  fc
    .record({
      row: rowArbitrary,
      partition: fc.nat(partitions - 1),
      lagMs: fc.oneof(fc.constant(0), fc.integer({ min: -1000, max: 100_000 })),
      kind: fc.oneof(
        { weight: 12, arbitrary: fc.constant('row' as const) },
        {
          weight: 1,
          arbitrary: fc.constantFrom('ahead' as const, 'broken' as const, 'tombstone' as const, 'wrong' as const),
        },
      ),
      id: fc.uuid(),
    })
    .map(({ row, partition, lagMs, kind, id }) => {
      // Broker times are whole ms, and what is invalid counts by them.
      const brokerMs = kind === 'ahead' ? row.atMs - 2 * HOUR : row.atMs + lagMs;
      const value = {
        id,
        at: new Date(row.atMs).toISOString(),
        origin: row.origin,
        delay: kind === 'wrong' ? 9000 : row.delay,
        ...(row.fareCents === null ? {} : { fare: fareText(row.fareCents) }),
        weight: row.weight,
        cancelled: row.cancelled,
      };
      const bytes = kind === 'broken' ? Buffer.from('{"id": 1') : Buffer.from(JSON.stringify(value));
      const left: Record<typeof kind, OracleRecord['left']> = {
        row: null,
        ahead: { as: 'invalid', reason: 'at: ahead-of-broker-time' },
        broken: { as: 'invalid', reason: 'record: expected JSON' },
        wrong: { as: 'invalid', reason: 'delay: expected an integer from -500 to 5000' },
        tombstone: { as: 'leftOut', reason: 'tombstone' },
      };
      return {
        record: { key: null, value: kind === 'tombstone' ? null : bytes, timestampUs: brokerMs * 1000 },
        oracle: { partition, brokerMs, row: kind === 'row' ? row : null, left: left[kind] },
      };
    });

function fareText(cents: number): string {
  const digits = `${Math.abs(cents)}`.padStart(3, '0');
  return `${cents < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
