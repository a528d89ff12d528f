/** When which version of a service was served: at every time the newest applied by then whose features every view served. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { serviceTimes } from '../../engine/training/service-times.ts';
import { lawRuns, lawSeed } from './law-seed.ts';

const END = 12;

/** Per view, what was served from one time on: tags of two features, or nothing. */
const timeline = fc.array(
  fc.record({
    fromUs: fc.integer({ min: 0, max: END - 1 }),
    f: fc.constantFrom('1', '2', null),
    g: fc.constantFrom('1', '2'),
  }),
  { maxLength: 5 },
);
const features = fc.constantFrom<Readonly<Record<string, string>>>(
  { f: '1' },
  { f: '2' },
  { g: '1' },
  { f: '1', g: '2' },
  {},
);
const given = fc.record({
  timelines: fc.record({ a: timeline, b: timeline }),
  services: fc.array(
    fc.record({ appliedAtUs: fc.integer({ min: 0, max: END }), a: features, b: fc.option(features) }),
    { maxLength: 5 },
  ),
});

type Entry = { readonly fromUs: number; readonly f: string | null; readonly g: string };

/** Entries as times that do not overlap. */
function published(entries: readonly Entry[]) {
  const ordered = [...new Map(entries.map((entry) => [entry.fromUs, entry])).values()].sort(
    (a, b) => a.fromUs - b.fromUs,
  );
  return ordered.flatMap(({ fromUs, f, g }, index) => {
    const tags = f === null ? null : { features: { f, g }, state: '' };
    return g === '2' && f === null ? [] : [{ fromUs, untilUs: ordered[index + 1]?.fromUs ?? END, version: { tags } }];
  });
}

test(`is what asking at each time gives (seed ${lawSeed})`, () => {
  fc.assert(
    fc.property(given, ({ timelines, services }) => {
      const views = { a: published(timelines.a), b: published(timelines.b) };
      const applied = services.map(({ appliedAtUs }) => appliedAtUs).sort((x, y) => x - y);
      const versions = services.map(({ a, b }, index) => ({
        version: index + 1,
        appliedAtUs: applied[index]!,
        views: { a, ...(b === null ? {} : { b }) },
      }));
      const times = serviceTimes(versions, new Map(Object.entries(views)) as never);
      for (let at = 0; at < END; at++) {
        let expected: number | null = null;
        for (const { version, appliedAtUs, views: own } of versions) {
          const serves = Object.entries(own).every(([view, tags]) => {
            const now = views[view as 'a' | 'b'].findLast(({ fromUs }) => fromUs <= at);
            const isThere = now !== undefined && at < now.untilUs && now.version.tags !== null;
            return (
              isThere && Object.entries(tags).every(([name, tag]) => now.version.tags?.features[name as 'f'] === tag)
            );
          });
          if (appliedAtUs <= at && serves) expected = version;
        }
        const found = times.filter(({ fromUs, untilUs }) => fromUs <= at && at < untilUs);
        expect(found.length).toBeLessThanOrEqual(1);
        expect(found[0]?.version.version ?? null).toBe(expected);
      }
    }),
    lawRuns(500),
  );
});
