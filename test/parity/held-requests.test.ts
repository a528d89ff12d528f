import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeldRequests } from '../../engine/parity/held-requests.ts';
import { hashOf, readBytes } from '../../engine/parity/served-sample.ts';
import { LoggedRead, type ServedRead } from '../../engine/served/served-read.ts';
import { lawRuns } from '../laws/law-seed.ts';

function readOf(requestId: string, bytes: number): ServedRead {
  return new LoggedRead({
    read_id: '',
    request_id: requestId,
    fingerprint: '',
    entity: '{}',
    values: 'x'.repeat(bytes / 2),
    served_at: 0,
    as_of: 0,
  });
}

test('what is held stays within the bytes that reads take, whole requests with the smallest hashes of their ids, or one', () => {
  const requests = fc.uniqueArray(
    fc.record({
      id: fc.string({ maxLength: 8 }),
      records: fc.integer({ min: 1, max: 4 }),
      reads: fc.array(fc.constantFrom(0, 100, 4_000, 40_000), { maxLength: 6 }),
    }),
    { selector: ({ id }) => id, minLength: 1, maxLength: 30 },
  );
  const bounds = fc.record({
    maxRecords: fc.integer({ min: 1, max: 40 }),
    maxBytes: fc.integer({ min: 0, max: 200_000 }),
  });
  fc.assert(
    fc.property(requests, bounds, (all, { maxRecords, maxBytes }) => {
      const held = new HeldRequests({ maxRecords, maxBytes });
      for (const { id, records } of all) for (let n = 0; n < records; n++) held.addRecord(readOf(id, 200));
      for (const { id, reads } of all) for (const bytes of reads) held.addRead(readOf(id, bytes));
      const kept = all.filter(({ id }) => held.records.some(({ requestId }) => requestId === id));
      const left = all.filter((one) => !kept.includes(one));
      for (const { id, records, reads } of kept) {
        const own = held.records.filter(({ requestId }) => requestId === id);
        expect([own.length, held.readsOf(own[0]!).length]).toEqual([records, reads.length]);
      }
      expect(left.reduce((sum, { records }) => sum + records, 0)).toBe(held.leftOut);
      const hashes = (of: typeof all): number[] => of.map(({ id }) => hashOf(id));
      expect(Math.max(...hashes(kept))).toBeLessThan(Math.min(...hashes(left)));
      const bytes = kept
        .flatMap(({ id }) => held.records.filter(({ requestId }) => requestId === id))
        .concat(kept.flatMap(({ id }) => held.readsOf(readOf(id, 0))))
        .reduce((sum, one) => sum + readBytes(one), 0);
      if (kept.length > 1) expect([held.records.length <= maxRecords, bytes <= maxBytes]).toEqual([true, true]);
    }),
    lawRuns(200),
  );
});
