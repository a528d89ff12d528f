import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordDigest } from '../../engine/topic/anchor.ts';
import { hashId } from '../../engine/admission/id-hash.ts';
import type { RawRecord } from '../../engine/topic/log-reader.ts';
import { HistoryIds, PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { TopicPipeline } from '../../engine/topic/topic-pipeline.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { kindOf } from '../oracle/source-log.ts';
import { order, orderBytes, orderOutcomes, orderSource, someOrders } from './orders.ts';
import { partitionStart } from './partition-start.ts';

const HOUR_US = 3_600_000_000;

function record(value: Uint8Array | null, offset = 0, timestampUs = 0): RawRecord {
  return { partition: 0, offset, timestampUs, key: null, value };
}

function pipeline(options = {}): TopicPipeline {
  const source = orderSource(options);
  return new TopicPipeline(source, 0, new PartitionDedupe(source.dedupeHorizonUs, null), partitionStart());
}

describe('TopicPipeline', () => {
  it('decides every record as the oracle does', () => {
    const until = fc.option(fc.integer({ min: -1800, max: 1800 }), { nil: null });
    fc.assert(
      fc.property(someOrders(40), until, fc.array(fc.integer({ min: 0, max: 20 })), (rows, untilMinutes, special) => {
        const source = orderSource({
          history:
            untilMinutes === null ? null : { path: '/nowhere', untilUs: untilMinutes * 60_000_000, disjoint: true },
        });
        const records = rows.map((row, offset) => ({
          partition: 0,
          offset,
          timestampUs: special.includes(offset) ? row.atUs - HOUR_US - (offset % 2) : row.atUs,
          row: special.includes(offset + 5) ? null : row,
        }));
        const { steps } = orderOutcomes(source, [], records);
        const dedupe = new PartitionDedupe(source.dedupeHorizonUs, null);
        const run = new TopicPipeline(source, 0, dedupe, partitionStart());
        const outcomes = records.map(({ row, offset, timestampUs }) =>
          run.step(record(row === null ? null : orderBytes(row), offset, timestampUs)),
        );
        expect(outcomes.map(({ kind }) => kind)).toEqual(steps.map(kindOf));
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.kind !== 'event' && outcome.kind !== 'undeduped') continue;
          const { eventTimeUs, id, partition, offset } = steps[index]!;
          expect(outcome.event).toMatchObject({ eventTimeUs, id, partition, offset });
        }
      }),
      lawRuns(300),
    );
  });

  it('counts an empty value, broken JSON and broken UTF-8 as invalid, a null value as a tombstone', () => {
    const run = pipeline();
    expect(run.step(record(null))).toEqual({ kind: 'tombstone' });
    for (const value of [Buffer.alloc(0), Buffer.from('{"id":'), Buffer.from([0x7b, 0xff, 0x7d]), Buffer.from('[]')]) {
      const outcome = run.step(record(value));
      expect(outcome).toMatchObject({ kind: 'invalid' });
      if (outcome.kind === 'invalid') expect(outcome.reasons[0]).toMatch(/./);
    }
    expect(run.watermarkUs).toBeNull();
  });

  it('takes a record of more than a megabyte', () => {
    const large = { ...order('large', 0, 1), customer: 'x'.repeat(1_500_000) };
    expect(pipeline().step(record(orderBytes(large)))).toMatchObject({ kind: 'event' });
  });

  it('allows an event time exactly as far ahead as the source says, and lets no invalid one drag the watermark', () => {
    const run = pipeline();
    expect(run.step(record(orderBytes(order('a', HOUR_US, 1)), 0, 0))).toMatchObject({ kind: 'event' });
    const years = run.step(record(orderBytes(order('b', 3 * 8760 * HOUR_US, 1)), 1, 0));
    expect(years).toEqual({ kind: 'invalid', reasons: [expect.stringContaining('ahead of the record')] });
    expect(run.step(record(orderBytes(order('c', HOUR_US + 1, 1)), 2, 0))).toMatchObject({ kind: 'invalid' });
    expect(run.watermarkUs).toBe(HOUR_US);
  });
});

describe('PartitionDedupe', () => {
  const words = (id: string): Uint32Array => {
    const hashed = new Uint32Array(4);
    hashId(id, hashed);
    return hashed;
  };

  it('knows an id to the end of the horizon, inclusive, and claims it anew after', () => {
    const dedupe = new PartitionDedupe(100, null);
    expect(dedupe.judge('a', 1000, null)).toBe('new');
    expect(dedupe.judge('a', 1001, 1100)).toBe('duplicate');
    expect(dedupe.judge('a', 1101, 1101)).toBe('new');
    expect(dedupe.judge('a', 5, 1201)).toBe('duplicate');
    expect(dedupe.judge('a', 1301, 1201)).toBe('new');
    expect(dedupe.judge('b', 1200, 1301)).toBe('undeduped');
    expect(dedupe.judge('b', 1201, 1301)).toBe('new');
    expect(dedupe.judge('b', 1301, 1301)).toBe('duplicate');
  });

  it('comes back the same from its packed ids, wherever the log is cut, with history and expiry in between', () => {
    const step = fc.record({ id: fc.integer({ min: 0, max: 3000 }), time: fc.integer({ min: -5000, max: 5000 }) });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 4000, size: 'max' }),
        fc.array(step, { maxLength: 50 }),
        fc.integer({ min: 0, max: 4000 }),
        fc.boolean(),
        (steps, history, cut, expires) => {
          const known = new PartitionDedupe(2000, null);
          const packed: Uint8Array[] = [];
          const naive = new Map<number, number>();
          for (const { id, time } of history.toSorted((a, b) => a.time - b.time)) {
            if (known.judge(`id-${id}`, time, null) === 'new') naive.set(id, time);
          }
          const ids = new HistoryIds([known.snapshot(null)]);
          const whole = new PartitionDedupe(2000, ids);
          let part = new PartitionDedupe(2000, ids);
          let watermark: number | null = null;
          for (const [index, { id, time }] of steps.entries()) {
            if (index === cut) {
              part = new PartitionDedupe(2000, ids);
              for (const chunk of packed) part.load(chunk);
            }
            const first = naive.get(id);
            const isRepeat = first !== undefined && Math.max(watermark ?? time, time) <= first + 2000;
            const isOld = watermark !== null && time < watermark - 2000;
            const expected = isRepeat ? 'duplicate' : isOld ? 'undeduped' : 'new';
            if (!isRepeat) naive.set(id, time);
            expect(whole.judge(`id-${id}`, time, watermark)).toBe(expected);
            expect(part.judge(`id-${id}`, time, watermark)).toBe(expected);
            watermark = Math.max(watermark ?? time, time);
            const fresh = index % 7 === 0 || index === cut - 1 ? part.takeNew() : null;
            if (fresh !== null) packed.push(fresh.ids);
            if (expires && index % 13 === 0) part.expire(watermark);
          }
          expect(part.snapshot(watermark).length).toBe(whole.snapshot(watermark).length);
        },
      ),
      lawRuns(30),
    );
  });

  it('packs 24 bytes an id: the first half of its SHA-256, and its time as a signed big-endian number', () => {
    const dedupe = new PartitionDedupe(100, null);
    dedupe.judge('abc', -62_135_596_800_000_000, null);
    const { ids, newestEventTimeUs } = dedupe.takeNew()!;
    expect(newestEventTimeUs).toBe(-62_135_596_800_000_000);
    expect(Buffer.from(ids.subarray(0, 16)).toString('hex')).toBe('ba7816bf8f01cfea414140de5dae2223');
    expect(new DataView(ids.buffer, ids.byteOffset).getBigInt64(16)).toBe(-62_135_596_800_000_000n);
    expect([...words('abc')].map((word) => word.toString(16))).toEqual([
      'ba7816bf',
      '8f01cfea',
      '414140de',
      '5dae2223',
    ]);
    expect(dedupe.takeNew()).toBeNull();
  });

  it('refuses packed ids of a wrong length', () => {
    expect(() => new PartitionDedupe(1, null).load(new Uint8Array(25))).toThrow('25 bytes');
  });
});

describe('recordDigest', () => {
  it('differs where timestamp, key or value differ, null and empty included', () => {
    const values = [null, Buffer.alloc(0), Buffer.from('a'), Buffer.from('ab'), Buffer.from('b')];
    const digests = values.flatMap((key) =>
      values.flatMap((value) =>
        [0, 1].map((timestampUs) => Buffer.from(recordDigest({ timestampUs, key, value })).toString('hex')),
      ),
    );
    expect(new Set(digests).size).toBe(50);
  });
});
