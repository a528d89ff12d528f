import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { hashId, PACKED_ID_BYTES, packId } from '../../engine/admission/id-hash.ts';
import { HistoryIds, PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { TopicPipeline } from '../../engine/topic/topic-pipeline.ts';
import type { OracleScalar } from '../oracle/order.ts';
import { kindOf, oracleLog } from '../oracle/source-log.ts';
import { partitionStart } from '../log/partition-start.ts';
import { lawRuns } from './law-seed.ts';

const HOUR_US = 3_600_000_000;
const start = Date.UTC(2026, 2, 1) * 1000;

interface Reading {
  readonly id: string;
  readonly eventTimeUs: number;
  readonly level: number;
}

const contract = compileContract(z.object({ id: z.string(), at: z.iso.datetime(), level: z.int().min(0) }));

function sourceOf(untilUs: number | null, horizonUs: number): CompiledSource {
  return {
    name: 'readings',
    contract,
    eventTimeField: 'at',
    eventIdField: 'id',
    topic: 'readings',
    history: { path: '/nowhere/*.parquet', untilUs, disjoint: true },
    dedupeHorizonUs: horizonUs,
    maxAheadUs: HOUR_US,
    brokerTime: 'record',
    invalidLimit: { rate: 1, window: 1000 },
  };
}

function packed(claims: ReadonlyMap<OracleScalar, number>): Uint8Array {
  const view = new DataView(new ArrayBuffer(claims.size * PACKED_ID_BYTES));
  const words = new Uint32Array(4);
  for (const [index, [id, claimUs]] of [...claims].entries()) {
    hashId(String(id), words);
    packId(view, index * PACKED_ID_BYTES, words, claimUs);
  }
  return new Uint8Array(view.buffer);
}

function payload({ id, eventTimeUs, level }: Reading): Uint8Array {
  return Buffer.from(JSON.stringify({ id, at: new Date(eventTimeUs / 1000).toISOString(), level }));
}

const minutes = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.constantFrom(0, 60, 120));
const readings = fc
  .record({
    id: fc.constantFrom('a', 'b', 'c', 'd', 'é', '1'),
    minute: minutes,
    level: fc.integer({ min: -1, max: 4 }),
  })
  .map(({ id, minute, level }): Reading => ({ id, eventTimeUs: start + minute * 60_000_000, level }));

describe('the way of a partition through until and dedupe', () => {
  test('is that of the oracle, with the known ids saved and loaded anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(readings, { maxLength: 6 }),
        fc.array(
          fc.record({
            row: fc.option(readings, { freq: 12 }),
            brokerLagMinutes: fc.integer({ min: -62, max: 200 }),
            restart: fc.nat(5),
          }),
          { maxLength: 40 },
        ),
        fc.option(minutes),
        fc.constantFrom(0, 30, 60, 24 * 60),
        (history, topic, untilMinute, horizonMinutes) => {
          const untilUs = untilMinute === null ? null : start + untilMinute * 60_000_000;
          const horizonUs = horizonMinutes * 60_000_000;
          const records = topic.map(({ row, brokerLagMinutes }, offset) => ({
            offset,
            brokerTimeUs: (row?.eventTimeUs ?? start) + brokerLagMinutes * 60_000_000,
            value: row,
          }));
          const { steps, history: past } = oracleLog<Reading>(
            {
              decode: (value) => {
                const row = value as Reading;
                return row.level >= 0 ? { row } : { invalid: 'level' };
              },
              eventTimeUs: (row) => row.eventTimeUs,
              eventId: (row) => row.id,
              untilUs,
              horizonUs,
              maxAheadUs: HOUR_US,
              withoutBrokerTime: false,
            },
            {
              files: [{ name: 'all', rows: history }],
              gUs: Number.MAX_SAFE_INTEGER - HOUR_US,
              partitions: [{ partition: 0, records }],
            },
          );

          const historyIds = new HistoryIds([packed(past.claims)]);
          const source = sourceOf(untilUs, horizonUs);
          let dedupe = new PartitionDedupe(horizonUs, historyIds);
          const begin = partitionStart(Number.isFinite(past.watermarkUs) ? past.watermarkUs : null);
          let pipeline = new TopicPipeline(source, 0, dedupe, begin);
          const outcomes = records.map(({ offset, brokerTimeUs, value: row }, index) => {
            if (topic[index]!.restart === 0) {
              const known = dedupe.snapshot(pipeline.watermarkUs);
              dedupe = new PartitionDedupe(horizonUs, historyIds);
              dedupe.load(known);
              const { watermarkUs, begun } = pipeline;
              pipeline = new TopicPipeline(source, 0, dedupe, { ...begin, watermarkUs, begun });
            }
            const value = row === null ? null : payload(row);
            return pipeline.step({ partition: 0, offset, timestampUs: brokerTimeUs, key: null, value }).kind;
          });
          expect(outcomes).toEqual(steps.filter(({ partition }) => partition === 0).map(kindOf));
        },
      ),
      lawRuns(1500),
    );
  });
});
