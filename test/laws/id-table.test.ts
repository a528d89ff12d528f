import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashId } from '../../engine/admission/id-hash.ts';
import { IdTable } from '../../engine/admission/id-table.ts';
import { PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { lawRuns } from './law-seed.ts';

const hashed = (id: number): Uint32Array => {
  const words = new Uint32Array(4);
  hashId(String(id), words);
  return words;
};

describe('a table of ids', () => {
  // Many ids of one stretch at once, so that segments fill, split and are made anew; floors that forget some of them.
  const step = fc.oneof(
    fc.record({
      from: fc.nat(4_000),
      count: fc.nat(2_500),
      atUs: fc.integer({ min: -50, max: 200 }),
      floorUs: fc.nat(150),
    }),
    fc.record({ dropBeforeUs: fc.nat(200) }),
    fc.constant('reload' as const),
  );

  it('knows every id that no floor has forgotten, with its latest time, through packing and loading', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let table = new IdTable();
        const known = new Map<number, number>();
        let floorUs = Number.NEGATIVE_INFINITY;
        const forget = (): void => {
          for (const [id, atUs] of known) if (atUs < floorUs) known.delete(id);
        };
        for (const each of steps) {
          if (each === 'reload') {
            const loaded = new IdTable();
            loaded.load(table.pack(floorUs));
            table = loaded;
            forget();
            expect(table.size).toBe(known.size);
          } else if ('dropBeforeUs' in each) {
            floorUs = Math.max(floorUs, each.dropBeforeUs);
            table.dropBefore(floorUs);
            forget();
            expect(table.size).toBe(known.size);
          } else {
            floorUs = Math.max(floorUs, each.floorUs);
            for (let id = each.from; id < each.from + each.count; id++) {
              table.set(hashed(id), each.atUs + (id % 7), floorUs);
              known.set(id, each.atUs + (id % 7));
            }
          }
        }
        for (let id = 0; id < 6_500; id += 3) {
          const atUs = table.get(hashed(id));
          const expected = known.get(id);
          // What a floor allows to forget may still be there: no record repeats it.
          if (expected === undefined || expected < floorUs) expect(Number.isNaN(atUs) || atUs < floorUs).toBe(true);
          else expect(atUs).toBe(expected);
        }
      }),
      lawRuns(60),
    );
  });

  it('takes at most 32 bytes an id', () => {
    const table = new IdTable();
    const words = new Uint32Array(4);
    for (let id = 0; id < 300_000; id++) {
      hashId(String(id), words);
      table.set(words, id, Number.NEGATIVE_INFINITY);
      // But for the spare slots of every segment.
      if (id > 2_000 && id % 997 === 0) expect(table.bytes / table.size).toBeLessThan(33);
    }
    expect(table.size).toBe(300_000);
  });

  it('lets no id wait for the whole, where each new one forgets an old one', () => {
    // As it was, every id from number 524,288 on made the whole table anew: 35 ms each, an hour for these.
    const horizonUs = 524_286;
    const dedupe = new PartitionDedupe(horizonUs, null);
    for (let id = 0; id < 640_000; id++) expect(dedupe.judge(String(id), id, id === 0 ? null : id - 1)).toBe('new');
    expect(dedupe.judge('639999', 639_999, 639_999)).toBe('duplicate');
  });
});
