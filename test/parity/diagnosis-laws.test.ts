import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { eventsOf, layoutOf, tilings } from '../laws/arbitraries.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { expectActedOut, Planting } from './planting.ts';

/*
 * Diagnosis by itself, over states of many shapes: whatever a planted fault does to a state, the difference has its cause (or one that
 * gives the very same bytes), and acting out what it names gives exactly the state that was planted.
 */

const CASES = [
  { name: 'integers, three hops and a lifetime', type: { kind: 'int' }, tiled: tilings.slice(0, 3), lifetime: true },
  { name: 'doubles, one hop', type: { kind: 'double' }, tiled: [tilings[4]!], lifetime: false },
  { name: 'strings, days and a lifetime', type: { kind: 'string' }, tiled: [tilings[2]!], lifetime: true },
  { name: 'decimals, a lifetime only', type: { kind: 'decimal', precision: 12, scale: 2 }, tiled: [], lifetime: true },
  { name: 'integers by category', type: { kind: 'int' }, tiled: [tilings[0]!], lifetime: true, isDivided: true },
] as const;

for (const { name, type, tiled, lifetime, ...more } of CASES) {
  for (const tieBreak of ['id', 'offset'] as const) {
    describe(`${name}, ties by ${tieBreak}`, () => {
      const layout = layoutOf(type, tieBreak, tiled, lifetime, 'isDivided' in more);
      const plantings = eventsOf(layout, type, tiled, 40)
        .filter((events) => events.length > 0)
        .map((events) => new Planting(layout, events));
      const picked = fc.tuple(plantings, fc.nat(1000), fc.nat(1000));
      let planted = 0;
      const holds = (law: (planting: Planting, a: number, b: number) => void, runs = 60): void => {
        planted = 0;
        fc.assert(
          fc.property(picked, ([planting, a, b]) => law(planting, a % planting.events.length, b)),
          lawRuns(runs),
        );
        expect(planted).toBeGreaterThan(0);
      };

      test('a record left out', () => {
        holds((planting, at) => {
          const stored = planting.stateOf(planting.events.filter((_, index) => index !== at));
          if (planting.events.length === 1) return;
          const difference = planting.diagnose(stored);
          if (difference === null) return;
          planted++;
          expect(difference.cause).toBe('missing-record');
          expect(difference.records).toHaveLength(1);
          expectActedOut(planting, difference, stored);
        });
      });

      test('a record taken twice', () => {
        holds((planting, at) => {
          const stored = planting.stateOf([...planting.events, planting.events[at]!]);
          const difference = planting.diagnose(stored);
          if (difference === null) return;
          planted++;
          expect(difference.cause).toBe('duplicated-record');
          expect(difference.records).toHaveLength(1);
          expectActedOut(planting, difference, stored);
        });
      });

      test('a run of a partition left out', () => {
        holds((planting, at, b) => {
          const partition = planting.events.filter((event) => event.partition === at % 2);
          const run = new Set(partition.slice(at >> 1, (at >> 1) + 2 + (b % 4)));
          if (run.size === 0 || run.size === planting.events.length) return;
          const stored = planting.stateOf(planting.events.filter((event) => !run.has(event)));
          const difference = planting.diagnose(stored);
          if (difference === null) return;
          planted++;
          // Fewer records, or tiles, may do; never more.
          expect(['missing-record', 'expired-tile', 'order']).toContain(difference.cause);
          expectActedOut(planting, difference, stored);
          if (difference.cause === 'missing-record') expect(difference.records.length).toBeLessThanOrEqual(run.size);
        });
      });

      // A view of lifetime features only has no tiles to plant this in.
      if (tiled.length > 0) {
        test('a tile moved, or its oldest one gone', () => {
          holds((planting, at, b) => {
            const state = planting.stateOf(planting.events);
            const group = b % tiled.length;
            const { tiles } = planting.inspector.groups(state)[group]!;
            if (tiles.length < 2) return;
            const isMove = (b & 1) === 1;
            const { index } = tiles[isMove ? at % (tiles.length - 1) : 0]!;
            if (isMove && !planting.inspector.moveTile(state, group, index, index + 1)) return;
            if (!isMove) planting.inspector.removeTiles(state, group, new Set([index]));
            const stored = roundTrip(planting, state);
            if (stored === null) return;
            const difference = planting.diagnose(stored);
            if (difference === null) return;
            planted++;
            if (isMove) expect(difference.cause).toBe('shifted-tile');
            else expect(['expired-tile', 'missing-record']).toContain(difference.cause);
            expectActedOut(planting, difference, stored);
            const { hopUs } = layout.groups[group]!;
            for (const event of planting.named(difference)) expect(Math.floor(event.eventTimeUs / hopUs!)).toBe(index);
          });
        });
      }

      test('records that other code took, and other faults beside it', () => {
        holds((planting, at) => {
          const victim = planting.events[at]!;
          if (victim.seq === 0 || planting.events.length === 1) return;
          const stored = planting.stateOf(planting.events.filter((event) => event !== victim));
          const difference = planting.diagnose(stored, [victim]);
          if (difference === null) return;
          planted++;
          expect(difference.cause).toBe('definition-version');
          expect(planting.named(difference)).toContain(victim);
          const elsewhere = planting.events.find(({ seq }) => seq > 0 && seq !== victim.seq);
          if (elsewhere === undefined) return;
          // Other code somewhere else does not draw the blame: unless it touched all that differs.
          const other = planting.diagnose(stored, [elsewhere])!;
          expect(['missing-record', 'definition-version']).toContain(other.cause);
        });
      });
    });
  }
}

/** Null where the planted state is none that could be stored. */
function roundTrip(planting: Planting, state: EntityState): EntityState | null {
  try {
    return planting.reducer.decode(planting.reducer.encode(state));
  } catch (error) {
    if (isMillraceError(error)) return null;
    throw error;
  }
}

test('a count that is divided by category says nothing of how many rows are missing, and what is missing is found', () => {
  const string = { kind: 'string' } as const;
  const hopUs = 3_600_000_000;
  const by = { type: string, limit: 1000 };
  const layout: ViewLayout = {
    semantics: ENGINE_SEMANTICS,
    view: 'v',
    entity: 'e',
    keys: [{ name: 'k', type: string }],
    tieBreak: 'id',
    groups: [{ hopUs, spanUs: 24 * hopUs }],
    slots: [{ partial: 'count', input: null, by, group: 0 }],
    features: [
      {
        name: 'n',
        aggregate: 'count',
        slot: 0,
        windowUs: 24 * hopUs,
        hopUs,
        result: { kind: 'map', key: string, value: { kind: 'int' } },
        nullable: true,
      },
    ],
  };
  const planting = new Planting(
    layout,
    Array.from({ length: 20 }, (_, n) => {
      const inputs = [true, 'one kind'];
      return { keyText: 'k', key: ['k'], id: 'i', partition: 0, offset: 0, eventTimeUs: n * 60_000_000, inputs };
    }),
  );
  const ofPartition = planting.events.filter(({ partition }) => partition === 1);
  for (const left of [ofPartition.slice(3, 4), ofPartition.slice(3, 5)]) {
    const stored = planting.stateOf(planting.events.filter((event) => !left.includes(event)));
    const difference = planting.diagnose(stored)!;
    expect([difference.cause, difference.records.length]).toEqual(['missing-record', left.length]);
    expectActedOut(planting, difference, stored);
  }
});
