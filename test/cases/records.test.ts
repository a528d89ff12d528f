import { ConfigResourceTypes } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import type { SourceFacts } from '../../engine/define/source.ts';
import { ANY_INVALID, caseSource, CaseWorld, ID_AT, LATER, type Situation, T, user } from './case-world.ts';

const MEGABYTE = 1 << 20;

let world: CaseWorld;
beforeAll(async () => {
  world = await CaseWorld.open(inject('stack'));
});
afterAll(() => world.close());

const record = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify({ id: 'a', at: T, ...fields });

/** Users' numbers of the topic alone. */
function topicOnly(options: Partial<SourceFacts> = {}): Situation['define'] {
  return (own) =>
    featureView(own.name, {
      entity: user,
      source: caseSource(
        own,
        { ...ID_AT, x: z.int(), note: z.string().optional() },
        { history: undefined, ...options },
      ),
      features: (f) => ({ n: f.count(), x: f.sum('x'), last: f.last('x') }),
    });
}

describe('case 22: records without a timestamp', () => {
  const sent = (timestampMs: number) =>
    Array.from({ length: 20 }, (_, n) => ({ value: record({ x: n }), timestampMs }));

  it('are refused by that name, with the setting that lets them through', async () => {
    for (const [timestampMs, which] of [
      [-1, 'it has none'],
      [0, 'it has none \\(it is 0\\)'],
    ] as const) {
      await expect(world.play({ define: topicOnly(), records: sent(timestampMs) })).rejects.toMatchObject({
        code: 'too-many-invalid-records',
        message: expect.stringMatching(`20 × .*at: no-broker-timestamp: .*${which}; .*brokerTime: 'none'`),
        retryable: false,
      });
    }
    const { letters } = await world.play({ define: topicOnly({ invalidLimit: ANY_INVALID }), records: sent(-1) });
    expect(letters).toHaveLength(20);
  });

  it("are values with brokerTime: 'none' or without a guard; a record that has a time is held against it still", async () => {
    const records = [...sent(-1), ...sent(0)];
    for (const options of [{ brokerTime: 'none' }, { maxAhead: false }] as const) {
      const { rows } = await world.play({ define: topicOnly(options), records });
      expect(rows).toEqual([{ n: 40n, x: 380n, last: 19n }]);
    }
    const ahead = { value: record({ x: 1 }), timestampMs: Date.parse(T) - 2 * 3_600_000 };
    const guarded = topicOnly({ brokerTime: 'none', invalidLimit: ANY_INVALID });
    const { letters, rows } = await world.play({ define: guarded, records: [...sent(-1), ahead] });
    expect(rows[0]).toMatchObject({ n: 20n });
    expect(letters.map(({ reasons }) => reasons)).toEqual([expect.stringContaining('at: ahead-of-broker-time')]);
  });
});

describe('records whose timestamp is in another unit than milliseconds', () => {
  it('are told as such, not as decades ahead alone', async () => {
    const timestampMs = Date.parse(T) / 1000;
    const records = [{ value: record({ x: 1 }), timestampMs }];
    const { letters } = await world.play({ define: topicOnly({ invalidLimit: ANY_INVALID }), records });
    expect(letters.map(({ reasons }) => reasons)).toEqual([
      expect.stringMatching(
        `^at: ahead-of-broker-time: .*; that timestamp, ${timestampMs}, looks like seconds, and Kafka's are milliseconds: .*maxAhead: false`,
      ),
    ]);
    const { rows } = await world.play({ define: topicOnly({ maxAhead: false }), records });
    expect(rows[0]).toMatchObject({ n: 1n, x: 1n });
  });
});

describe('case 30: 64-bit ids as JSON numbers', () => {
  const ids = ['1524831183200260097', '1524831183200260096'];
  const big = entity('big', { id: z.int64() });
  const define: Situation['define'] = (own) =>
    featureView(own.name, {
      entity: big,
      source: caseSource(own, { id: z.int64(), at: z.iso.datetime() }, { eventId: 'id', invalidLimit: ANY_INVALID }),
      features: (f) => ({ n: f.count(), last: f.last('id') }),
    });
  const labels = ids.map((id) => ({ key: { id }, at: LATER }));
  const numbers = ids.map((id) => `{"id":${id},"at":"${T}"}`);
  const texts = ids.map((id) => `{"id":"${id}","at":"${T}"}`);

  it('are refused per record with the remedy, as texts they are two entities and two events', async () => {
    const outcome = await world.play({
      define,
      files: { 'h/a.jsonl': [...numbers, ...texts].join('\n') },
      records: [...numbers, ...texts],
      labels,
    });
    expect(outcome.rows).toEqual(ids.map((id) => ({ n: 1n, last: BigInt(id) })));
    expect(outcome.counts).toMatchObject({ invalid: 4, duplicates: 2, applied: 2 });
    expect(outcome.letters.map(({ reasons }) => reasons)).toEqual(
      [...ids, ...ids].map(
        (id) =>
          `id: expected a 64-bit integer, received ${id}; beyond 2^53 a JSON number or a double has lost digits: send it as text`,
      ),
    );
  });

  it('are exact from columns of integers and from CSV, beside texts of the topic', async () => {
    for (const files of [
      { 'h/a.parquet': `SELECT unnest([${ids.join(', ')}])::BIGINT AS id, TIMESTAMPTZ '${T}' AS "at"` },
      { 'h/a.csv': `id,at\n${ids.map((id) => `${id},${T}\n`).join('')}` },
    ] as Record<string, string>[]) {
      const { rows, counts } = await world.play({ define, files, records: texts, labels });
      expect(rows).toEqual(ids.map((id) => ({ n: 1n, last: BigInt(id) })));
      expect(counts).toMatchObject({ duplicates: 2, invalid: 0 });
    }
  });
});

describe("case 32: a schema registry's framing, and other bytes that are no JSON", () => {
  const framed = (bytes: Buffer | string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from(bytes)]);
  const json = Array.from({ length: 20 }, (_, n) => framed(record({ x: n })));
  const avro = Array.from({ length: 20 }, (_, n) => framed(Buffer.from([2, 0x61, 0xff, 0x80, n])));

  it('stops with what it looks like and how many', async () => {
    for (const records of [json, avro]) {
      await expect(world.play({ define: topicOnly(), records })).rejects.toMatchObject({
        code: 'too-many-invalid-records',
        message: expect.stringMatching(
          /20 × .*looks like a schema registry's framing \(schema id 7\): expected plain JSON, written without the registry's serializer/,
        ),
      });
    }
  });

  it('keeps payloads byte for byte in the dead letters', async () => {
    const others = [
      Buffer.concat([Buffer.from([3, 0]), Buffer.alloc(16, 200), Buffer.from(record({ x: 1 }))]),
      Buffer.from([0xc3, 0x01, 0xff, 0x00]),
      Buffer.from([0]),
      Buffer.from([0, 0, 0, 0, 7]),
    ];
    const records = [...json, ...avro, ...others];
    const { letters } = await world.play({ define: topicOnly({ invalidLimit: ANY_INVALID }), records });
    expect(letters.map(({ payload }) => payload)).toEqual(records);
    expect(letters.slice(-4).map(({ reasons }) => reasons)).toEqual([
      expect.stringContaining('(AWS Glue)'),
      expect.stringContaining('Avro'),
      'record: expected JSON, received 1 byte that begins with 00',
      'record: expected JSON, received 5 bytes that begin with 00',
    ]);
  });
});

describe('case 34: a transactional producer', () => {
  it('its aborted records are not seen, batch and stream end before an open one, and lag counts what it holds back', async () => {
    const open: { commit?: () => Promise<void> } = {};
    const send = async (topic: string): Promise<void> => {
      const transaction = async (id: string, xs: readonly number[]) => {
        const producer = world.kafka.kafka.producer({
          transactionalId: `${topic}-${id}`,
          maxInFlightRequests: 1,
          idempotent: true,
        });
        await producer.connect();
        const begun = await producer.transaction();
        await begun.send({ topic, messages: xs.map((x) => ({ partition: 0, value: record({ x }) })) });
        return { begun, end: () => producer.disconnect() };
      };
      const committed = await transaction('committed', [1, 2, 3]);
      await committed.begun.commit();
      await committed.end();
      const aborted = await transaction('aborted', [100, 200]);
      await aborted.begun.abort();
      await aborted.end();
      const left = await transaction('open', [1000]);
      open.commit = async () => {
        await left.begun.commit();
        await left.end();
      };
    };
    const { rows, counts, lag } = await world.play({ define: topicOnly(), send });
    expect(rows).toEqual([{ n: 3n, x: 6n, last: 3n }]);
    expect(counts).toMatchObject({ records: 3, applied: 3 });
    // The stream has read all that anybody is given; one record stands behind the open transaction's beginning.
    expect(lag).toBe(1);
    await open.commit!();
  });
});

describe('case 36: a record larger than a fetch', () => {
  it('passes in order; a broken one is a dead letter whose reason can be read', async () => {
    const large = (x: number): string => record({ x, note: 'y'.repeat(12 * MEGABYTE) });
    const broken = large(100).slice(0, -1);
    const send = async (topic: string): Promise<void> => {
      await world.kafka.admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: topic,
            configEntries: [{ name: 'max.message.bytes', value: String(20 * MEGABYTE) }],
          },
        ],
      });
      for (const value of [record({ x: 1 }), large(2), record({ x: 4 }), broken, record({ x: 8 })]) {
        await world.kafka.producer.send({ topic, messages: [{ partition: 0, value }] });
      }
    };
    const { rows, letters } = await world.play({ define: topicOnly({ invalidLimit: ANY_INVALID }), send });
    expect(rows).toEqual([{ n: 4n, x: 15n, last: 8n }]);
    expect(letters).toHaveLength(1);
    expect(letters[0]!.payload?.equals(Buffer.from(broken))).toBe(true);
    expect(letters[0]!.reasons).toMatch(/^record: expected JSON, received …".*\(fault at character \d+ of \d+\)$/);
    expect(letters[0]!.reasons.length).toBeLessThan(400);
  });
});

describe('case 38: a join key, or one part of it, is null', () => {
  const pair = entity('pair', { id: z.string(), k: z.string() });
  const labels = [{ key: { id: 'a', k: 'k' }, at: LATER }];
  const ks = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? 'k' : null));

  it('is counted under its name and skipped alike, from files of every format and the topic', async () => {
    const members = { ...ID_AT, k: z.string().nullable(), x: z.int() };
    const define: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: pair,
        source: caseSource(own, members),
        features: (f) => ({ n: f.count(), x: f.sum('x') }),
      });
    const records = ks.map((k, x) => record({ k, x }));
    for (const files of [
      {
        'h/a.parquet': `SELECT 'a' AS id, TIMESTAMPTZ '${T}' AS "at", CASE WHEN i % 2 = 0 THEN 'k' END AS k, i AS x FROM range(10) r(i)`,
      },
      { 'h/a.csv': `id,at,k,x\n${ks.map((k, x) => `a,${T},${k ?? ''},${x}\n`).join('')}` },
      { 'h/a.jsonl': records.join('\n') },
    ] as Record<string, string>[]) {
      const { rows, counts, manifest } = await world.play({ define, files, records, labels });
      expect(rows).toEqual([{ n: 10n, x: 40n }]);
      expect(counts).toMatchObject({ records: 20, nullKey: 10, applied: 10, invalid: 0 });
      expect(manifest.views[0]!.counts.nullKey).toBe(10);
    }
  });

  it('a missing optional key and a key function that gives null are the same', async () => {
    const members = { ...ID_AT, k: z.string().optional(), x: z.int() };
    const optional: Situation['define'] = (own) =>
      featureView(own.name, { entity: pair, source: caseSource(own, members), features: (f) => ({ n: f.count() }) });
    const byFunction: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: pair,
        source: caseSource(own, members),
        key: (e) => ({ id: e.id, k: e.x % 2 === 0 ? 'k' : null }),
        features: (f) => ({ n: f.count() }),
      });
    const records = ks.map((k, x) => record(k === null ? { x } : { k, x }));
    for (const define of [optional, byFunction]) {
      const files = { 'h/a.jsonl': records.join('\n') };
      const { rows, counts } = await world.play({ define, files, records, labels });
      expect(rows).toEqual([{ n: 10n }]);
      expect(counts).toMatchObject({ nullKey: 10, applied: 10, invalid: 0 });
    }
  });

  it('an empty text is a key, not a missing one', async () => {
    const define: Situation['define'] = (own) =>
      featureView(own.name, { entity: user, source: caseSource(own, ID_AT), features: (f) => ({ n: f.count() }) });
    const files = { 'h/a.csv': `id,at\n"",${T}\n` };
    const { rows, counts } = await world.play({
      define,
      files,
      records: [record({ id: '' })],
      labels: [{ key: { id: '' }, at: LATER }],
    });
    expect(rows).toEqual([{ n: 2n }]);
    expect(counts.nullKey).toBe(0);
  });
});
