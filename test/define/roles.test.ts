import { entity, featureService, featureView, source } from '../../index.ts';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { roleOf, viewsOf } from '../../engine/define/service-blocks.ts';
import { briefly, faultsOf } from './faults.ts';

const trips = source('trips', {
  schema: z.object({ at: z.iso.datetime(), start: z.string(), stop: z.string(), zone: z.int() }),
  eventTime: 'at',
  topic: 'trips',
});
const counted = (f: { count(): ReturnType<typeof count> }) => ({ n: f.count() });
declare function count(): import('../../index.ts').Feature<number>;
const station = featureView('station_trips', {
  entity: entity('station', { station: z.string() }),
  source: trips,
  key: (e) => ({ station: e.start }),
  features: counted,
});
const leg = featureView('leg_trips', {
  entity: entity('leg', { start: z.string(), stop: z.string() }),
  source: trips,
  features: counted,
});
const zone = featureView('zone_trips', { entity: entity('zone', { zone: z.int() }), source: trips, features: counted });

const compiled = async (...services: ReturnType<typeof featureService>[]) =>
  (await compileDefinitions(definitionsInMemory([station, leg, zone, ...services], '/'))).services;

describe('a service', () => {
  test('is a list of views and roles, or an object of them: the same blocks', async () => {
    const views = [
      leg,
      station,
      station.as('from', { station: 'start' }),
      station.as('to', { station: 'stop' }),
      leg.as('back', { start: 'stop', stop: 'start' }),
      leg.as('onward', { stop: 'next' }),
    ] as const;
    const services = await compiled(
      featureService('listed', views, { servingLog: 0.5 }),
      featureService('one_object', { views, servingLog: 0.5 }),
    );
    const listed = services.get('listed')!;
    expect(services.get('one_object')).toEqual({ ...listed, name: 'one_object' });
    expect(listed.servingLog).toBe(0.5);
    expect(listed.blocks.map((block) => [block.name, roleOf(block), block.view.name, block.columns])).toEqual([
      ['leg_trips', null, 'leg_trips', ['start', 'stop']],
      ['station_trips', null, 'station_trips', ['station']],
      ['from', 'from', 'station_trips', ['start']],
      ['to', 'to', 'station_trips', ['stop']],
      ['back', 'back', 'leg_trips', ['stop', 'start']],
      ['onward', 'onward', 'leg_trips', ['start', 'next']],
    ]);
    expect(viewsOf(listed).map(({ name }) => name)).toEqual(['leg_trips', 'station_trips']);
  });

  test('is refused with all that is wrong with its roles at once', async () => {
    const misspelt = { staton: 'start' } as never;
    const faults = await faultsOf([
      station,
      leg,
      zone,
      featureService('twice', [station.as('from', { station: 'start' }), station.as('from', { station: 'stop' })]),
      featureService('own_name', [station.as('own_name', { station: 'start' })]),
      featureService('of_a_view', [station.as('leg_trips', { station: 'start' })]),
      featureService('misspelt', [station.as('from', misspelt)]),
      featureService('reserved', [station.as('from', { station: 'event_timestamp' })]),
      featureService('no_name', [station.as('From here', { station: 'The start' })]),
      featureService('one_column', [leg.as('round', { stop: 'start' })]),
      featureService('two_types', [leg, zone.as('in', { zone: 'start' })]),
      featureService('none', ['station_trips' as never, { kind: 'view-role', name: 'x' } as never]),
    ]);
    expect(briefly(faults)).toEqual([
      'feature service twice views[1]: duplicate-name',
      'feature service own_name views[0]: duplicate-name',
      'feature service of_a_view views[0]: duplicate-name',
      'feature service misspelt views[0].staton: unknown-join-key',
      'feature service reserved views[0].station: reserved-name',
      'feature service no_name views[0]: invalid-name',
      'feature service no_name views[0].station: invalid-name',
      'feature service one_column views[0].stop: duplicate-name',
      'feature service two_types views[1].zone: column-types-differ',
      'feature service none views[0]: unknown-view',
      'feature service none views[1]: unknown-view',
    ]);
    expect(faults.find(({ code }) => code === 'unknown-join-key')?.message).toContain('it has station');
    expect(faults.find(({ code }) => code === 'column-types-differ')?.message).toBe(
      'the column "start" is int to it, and string to join key "start" of "leg_trips"',
    );
  });

  test('is refused where two plain views are read by one column of two types', async () => {
    const other = featureView('other_zone', {
      entity: entity('named_zone', { zone: z.string() }),
      source: trips,
      key: (e) => ({ zone: e.start }),
      features: counted,
    });
    const faults = await faultsOf([zone, other, featureService('model', [zone, other])]);
    expect(briefly(faults)).toEqual(['feature service model views[1].zone: column-types-differ']);
  });

  test('of a role alone needs its view among the definitions', async () => {
    const faults = await faultsOf([leg, featureService('model', [station.as('from', { station: 'start' })])]);
    expect(briefly(faults)).toEqual(['feature service model views[0]: unknown-view']);
  });
});
