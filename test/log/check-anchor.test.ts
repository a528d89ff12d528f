import { expect, test } from 'vitest';
import { recordDigest } from '../../engine/topic/anchor.ts';
import { checkAnchor } from '../../engine/topic/check-anchor.ts';
import type { PartitionBounds, RawRecord } from '../../engine/topic/log-reader.ts';

const record: RawRecord = { partition: 0, offset: 7, timestampUs: 1, key: null, value: Buffer.from('a') };
const anchor = { offset: 7, digest: recordDigest(record) };

/** The anchor's verdict over a topic that gives these records, one after the other, at the anchor's offset. */
async function check(given: (RawRecord | null)[], then: PartitionBounds): Promise<string> {
  const bounds = async () => ({ topic: 't', clusterId: 'c', partitions: [then] });
  const reader = { bounds, recordAt: async () => given.shift() ?? null };
  const held = { partition: 0, lowOffset: 0, endOffset: 8 };
  return checkAnchor({ reader, topic: 't', partition: 0, held }, anchor).then(
    () => 'the same',
    (error: unknown) => (error as { code: string }).code,
  );
}

test('a leader that gives out nothing while it is new is asked again, once it can tell its end', async () => {
  const whole = { partition: 0, lowOffset: 0, endOffset: 8 };
  expect(await check([null, record], whole)).toBe('the same');
  expect(await check([null, { ...record, value: Buffer.from('b') }], whole)).toBe('topic-recreated');
  expect(await check([null, null], whole)).toBe('topic-recreated');
});

test('what retention took meanwhile is no other topic', async () => {
  expect(await check([null], { partition: 0, lowOffset: 8, endOffset: 9 })).toBe('the same');
  expect(await check([{ ...record, value: Buffer.from('b') }], { partition: 0, lowOffset: 0, endOffset: 8 })).toBe(
    'topic-recreated',
  );
});
