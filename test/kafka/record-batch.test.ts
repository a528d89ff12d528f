import { describe, expect, test } from 'vitest';
import { crc32c } from '../../engine/kafka/crc32c.ts';
import { type AbortedTransaction, firstBaseOffset } from '../../engine/kafka/record-batch.ts';
import { readRecordSet } from '../../engine/kafka/record-set.ts';
import { ResponseMemory } from '../../engine/kafka/response-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import type { RawRecord } from '../../engine/topic/log-reader.ts';

interface Batch {
  readonly base: number;
  /** Offset delta of the batch's end; default the last record's. */
  readonly lastDelta?: number;
  readonly records: readonly { delta: number; key?: Buffer | null; value?: Buffer | null; timestampDelta?: number }[];
  readonly producerId?: bigint;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly appendTimeMs?: number;
  readonly magic?: number;
}

const ABORT = Buffer.from([0, 0, 0, 0]);

function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

const sized = (bytes: Buffer | null): Buffer =>
  bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes]);

/** Writes a record batch by hand, as the format's page describes it. */
function encode(batch: Batch): Buffer {
  const records = batch.records.map(({ delta, key = null, value = null, timestampDelta = 0 }) => {
    const body = Buffer.concat([
      Buffer.from([0]),
      varint(timestampDelta),
      varint(delta),
      sized(key),
      sized(value),
      varint(0),
    ]);
    return Buffer.concat([varint(body.length), body]);
  });
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(batch.base), 0);
  const body = Buffer.concat(records);
  head.writeInt32BE(61 - 12 + body.length, 8);
  head.writeInt8(batch.magic ?? 2, 16);
  head.writeInt16BE(
    (batch.transactional ? 0x10 : 0) | (batch.control ? 0x20 : 0) | (batch.appendTimeMs === undefined ? 0 : 0x08),
    21,
  );
  head.writeInt32BE(batch.lastDelta ?? batch.records.at(-1)?.delta ?? 0, 23);
  head.writeBigInt64BE(1_000_000n, 27);
  head.writeBigInt64BE(BigInt(batch.appendTimeMs ?? 1_000_000), 35);
  head.writeBigInt64BE(batch.producerId ?? -1n, 43);
  head.writeInt32BE(batch.records.length, 57);
  const all = Buffer.concat([head, body]);
  all.writeUInt32BE(crc32c(all, 21, all.length), 17);
  return all;
}

const one = (base: number, value: string, more: Partial<Batch> = {}): Batch => ({
  base,
  records: [{ delta: 0, value: Buffer.from(value), key: ABORT }],
  ...more,
});
const marker = (base: number, producerId: bigint, kind: 0 | 1): Batch => ({
  base,
  control: true,
  transactional: true,
  producerId,
  records: [{ delta: 0, key: Buffer.from([0, 0, 0, kind]), value: Buffer.alloc(6) }],
});
/** Reads a whole set, and looks that nothing stays counted. */
async function readSet(
  bytes: Buffer,
  position: number,
  aborted: readonly AbortedTransaction[] = [],
  partition = 0,
): Promise<{ records: RawRecord[]; nextOffset: number }> {
  const budget = new MemoryBudget(memoryShares(1024));
  const response = new ResponseMemory(await budget.reserve({ heap: 1 << 20, buffers: bytes.length }, 'test'));
  const payload = { bytes: bytes.length, users: 1 };
  const records: RawRecord[] = [];
  let nextOffset = position;
  try {
    expect(response.take('buffers', bytes.length)).toBe(true);
    const set = { topic: 't', partition, bytes, position, aborted, headers: false };
    for await (const stretch of readRecordSet(set, { response, payload, mostBytes: 64 << 20 })) {
      for (const record of stretch.records) records.push(record);
      nextOffset = stretch.nextOffset;
      stretch.memory.release();
    }
  } finally {
    response.done(payload);
    response.close();
    expect(budget.usedBytes).toBe(0);
  }
  return { records, nextOffset };
}
const valuesOf = async (set: Buffer, position = 0, aborted: AbortedTransaction[] = []) =>
  (await readSet(set, position, aborted)).records.map(({ value }) => String(value));

const failing = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as unknown });

describe('crc32c', () => {
  test('of the check string, whole and in parts that are no multiple of eight', () => {
    const bytes = Buffer.from('xx123456789');
    expect(crc32c(bytes, 2, 11)).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa);
  });
});

describe('a record set', () => {
  test('offsets, timestamps (create and append time, deltas beyond 32 bits and negative), keys and values', async () => {
    const far = 40_000_000_000;
    const set = Buffer.concat([
      encode({
        base: 5,
        records: [
          { delta: 0, value: Buffer.from('a'), timestampDelta: far },
          { delta: 3, key: Buffer.from('k'), value: null, timestampDelta: -7 },
        ],
      }),
      encode({ base: 9, appendTimeMs: 77, records: [{ delta: 0, value: Buffer.alloc(0) }] }),
    ]);
    const { records, nextOffset } = await readSet(set, 5, [], 4);
    expect(records.map(({ offset }) => offset)).toEqual([5, 8, 9]);
    expect(records.map(({ timestampUs }) => timestampUs)).toEqual([(1_000_000 + far) * 1000, 999_993_000, 77_000]);
    expect(records[1]).toMatchObject({ partition: 4, value: null });
    expect(String(records[1]?.key)).toBe('k');
    expect(records[2]?.value?.length).toBe(0);
    expect([nextOffset, firstBaseOffset(set)]).toEqual([10, 5]);
  });

  test('a position inside a batch; a cut-off batch at the tail waits for the next fetch', async () => {
    const set = Buffer.concat([
      encode({ base: 0, records: [0, 1, 2].map((delta) => ({ delta, value: Buffer.from(`v${delta}`) })) }),
      encode(one(3, 'tail')),
    ]);
    expect(await valuesOf(set, 1)).toEqual(['v1', 'v2', 'tail']);
    const cut = await readSet(set.subarray(0, set.length - 1), 1);
    expect(cut.nextOffset).toBe(3);
    expect(await readSet(set.subarray(0, 40), 1)).toMatchObject({ records: [], nextOffset: 1 });
    expect(firstBaseOffset(set.subarray(0, 40))).toBeNull();
  });

  test('K8: a batch that compaction emptied moves the position', async () => {
    const set = Buffer.concat([encode({ base: 0, lastDelta: 9, records: [] }), encode(one(10, 'after'))]);
    expect(await readSet(set, 0)).toMatchObject({ nextOffset: 11 });
    expect(await valuesOf(encode({ base: 0, lastDelta: 9, records: [] }))).toEqual([]);
    expect((await readSet(encode({ base: 0, lastDelta: 9, records: [] }), 0)).nextOffset).toBe(10);
  });

  test('K9: a batch of 200,000 records', async () => {
    const records = Array.from({ length: 200_000 }, (_, delta) => ({ delta, value: Buffer.from('x') }));
    expect((await readSet(encode({ base: 0, records }), 0)).records).toHaveLength(200_000);
  });

  test('K6, K7: overlapping aborted transactions of two producers, four-zero-byte keys, a committed one between', async () => {
    const transactional = (base: number, value: string, producerId: bigint): Buffer =>
      encode(one(base, value, { transactional: true, producerId }));
    const set = Buffer.concat([
      transactional(0, 'a0', 1n),
      transactional(1, 'b1', 2n),
      transactional(2, 'c2', 3n),
      encode(one(3, 'plain')),
      transactional(4, 'a4', 1n),
      encode(marker(5, 1n, 0)),
      transactional(6, 'b6', 2n),
      transactional(7, 'a7', 1n),
      encode(marker(8, 2n, 0)),
      encode(marker(9, 3n, 1)),
      encode(marker(10, 1n, 1)),
    ]);
    const aborted = [
      { producerId: 2n, firstOffset: 1 },
      { producerId: 1n, firstOffset: 0 },
    ];
    expect(await valuesOf(set, 0, aborted)).toEqual(['c2', 'plain', 'a7']);
    expect(await valuesOf(set, 4, aborted)).toEqual(['a7']);
    expect((await readSet(set, 0, aborted)).nextOffset).toBe(11);
  });

  test('damage is never read past: a flipped bit, a false length, an old format', async () => {
    const set = encode(one(0, 'value'));
    const flipped = Buffer.from(set);
    flipped[set.length - 3]! ^= 1;
    await expect(readSet(flipped, 0)).rejects.toEqual(failing('log-corrupt', /CRC/));
    const false_ = encode({ base: 0, records: [{ delta: 0, value: Buffer.from('abc') }] });
    false_.writeInt8(120, 61);
    false_.writeUInt32BE(crc32c(false_, 21, false_.length), 17);
    await expect(readSet(false_, 0)).rejects.toEqual(failing('log-corrupt', /damaged/));
    await expect(readSet(encode(one(0, 'v', { magic: 1 })), 0)).rejects.toEqual(
      failing('unsupported-message-format', /format 1/),
    );
  });

  test('a codec that is not known, and bytes that are not of the one that is named', async () => {
    const coded = (codec: number): Buffer => {
      const set = encode(one(0, 'value'));
      set.writeInt16BE(codec, 21);
      set.writeUInt32BE(crc32c(set, 21, set.length), 17);
      return set;
    };
    await expect(readSet(coded(7), 0)).rejects.toEqual(failing('unsupported-codec', /codec 7/));
    await expect(readSet(coded(1), 0)).rejects.toEqual(failing('log-corrupt', /does not inflate as gzip/));
  });
});
