import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView, LogEvent } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { stateCost } from '../../engine/state/state-cost.ts';

const DAY_US = 86_400_000_000;
const person = entity('person', { person: z.string() });
const clicks = source('clicks', {
  schema: z.object({ at: z.iso.datetime(), person: z.string(), amount: z.int(), text: z.string() }),
  eventTime: 'at',
  topic: 'clicks',
});
const views = [
  featureView('one', { entity: person, source: clicks, features: (f) => ({ n: f.count().over('7d', { hop: '1d' }) }) }),
  featureView('shared', {
    entity: person,
    source: clicks,
    features: (f) => ({
      n: f.count().over('7d', { hop: '1d' }),
      n_3d: f.count().over('3d', { hop: '1d' }),
      n_default: f.count().over('7d', { hop: '1d' }).default(7),
    }),
  }),
  featureView('more', {
    entity: person,
    source: clicks,
    features: (f) => ({
      n: f.count().over('7d', { hop: '1d' }),
      last: f.last('text'),
      most_1h: f.max('amount').over('1h', { hop: '1m' }),
    }),
  }),
  featureView('nobody', {
    entity: person,
    source: clicks,
    where: (e) => e.amount > 1_000_000,
    features: (f) => ({ n: f.count() }),
  }),
];

const compiled = await compileDefinitions(definitionsInMemory([person, clicks, ...views], '/'));
const events: LogEvent[] = Array.from({ length: 100 }, (_, n) => ({
  row: { at: n * DAY_US, person: `p${n % 7}`, amount: n, text: 'x'.repeat(n % 10) },
  eventTimeUs: n * DAY_US,
  id: null,
  partition: -1,
  offset: n,
  number: n,
}));

function costOf(name: string, of = events): ReturnType<typeof stateCost> {
  let us = 0;
  return stateCost(compiled.views.get(name) as CompiledView, of, () => (us += 500));
}

describe('what a view costs', () => {
  test('tiles and partials are what the layout has; features that share them add nothing', () => {
    const { eventNs, ...one } = costOf('one');
    expect(one).toEqual({
      partials: 1,
      groups: [{ hopUs: DAY_US, tiles: 8 }],
      sampled: 100,
      bytes: { oneEvent: expect.any(Number) as number, everyTile: expect.any(Number) as number },
    });
    const { eventNs: _, ...shared } = costOf('shared');
    expect(shared).toEqual(one);
    // 500 µs by the clock given, over 100 rounds of 100 events.
    expect(eventNs).toBe(50);
  });

  test('bytes are those of encoded states: one event, and an event in each tile that is kept', () => {
    const [one, more] = [costOf('one').bytes!, costOf('more').bytes!];
    // A tile of a count has a distance and a number, of a byte each; the head may have a byte more.
    expect(one.everyTile - one.oneEvent).toBeGreaterThanOrEqual(7 * 2);
    expect(one.everyTile - one.oneEvent).toBeLessThanOrEqual(7 * 2 + 1);
    expect(
      costOf('more')
        .groups.map(({ tiles }) => tiles)
        .toSorted((a, b) => a - b),
    ).toEqual([1, 8, 61]);
    expect(more.oneEvent).toBeGreaterThan(one.oneEvent);
    expect(more.everyTile).toBeGreaterThan(61 * 2 + 8 * 2);
    expect(costOf('more')).toEqual(costOf('more'));
  });

  test('a sample without an event of the view says nothing of bytes and time', () => {
    expect(costOf('nobody')).toMatchObject({ partials: 1, sampled: 0, bytes: null, eventNs: null });
    expect(costOf('one', [])).toMatchObject({ groups: [{ tiles: 8 }], sampled: 0, bytes: null, eventNs: null });
  });
});
