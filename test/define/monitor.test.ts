import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { type Definition, definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { MONITOR_METRICS } from '../../engine/define/monitor.ts';
import { STATISTICS } from '../../engine/alerts/figures.ts';
import { entity, featureService, featureView, monitor, type MonitorOptions, source } from '../../index.ts';
import { briefly, faultsOf } from './faults.ts';

const flights = source('flights', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    origin: z.string(),
    delay: z.int().nullable(),
    carrier: z.string(),
    email: z.string(),
    legs: z.array(z.string()),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'flights',
  sensitive: ['email'],
  segments: ['origin'],
});
const quiet = source('quiet', {
  schema: z.object({ id: z.string(), at: z.iso.datetime() }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'quiet',
  monitors: false,
});
const airport = entity('airport', { origin: z.string() });
const delays = featureView('delays', {
  entity: airport,
  source: flights,
  segments: ['origin'],
  features: (f) => ({ mean_6h: f.avg('delay').over('6h'), last: f.lastN('carrier', 3) }),
});
const risk = featureService('risk', { views: [delays] });
const world: readonly Definition[] = [flights, quiet, delays, risk];
const faults = (options: unknown) => faultsOf([...world, monitor({ name: 'm', ...(options as MonitorOptions) })]);

test('monitors are compiled to what is looked at, and its bounds', async () => {
  const all = [
    monitor({ on: flights, field: 'delay', segment: { origin: 'ATL' }, metric: 'coverage', threshold: { least: 0.9 } }),
    monitor({ on: flights, metric: 'volume', threshold: { least: 100, most: 5_000 }, name: 'enough flights' }),
    monitor({ on: flights, segment: { partition: '3' }, metric: 'share', threshold: { most: 0.5 } }),
    monitor({ on: flights, metric: 'lag', threshold: { most: '10m' } }),
    monitor({ on: delays, metric: 'kept', threshold: { least: 0.5 } }),
    monitor({ on: delays, field: 'mean_6h', segment: { origin: 'ATL' }, metric: 'mean', threshold: { most: 60 } }),
    monitor({ on: risk, field: 'delays.last', metric: 'coverage', threshold: { least: 0.5 } }),
    monitor({ on: risk, metric: 'found', threshold: { least: 0.99 } }),
  ];
  const plain = await compileDefinitions(definitionsInMemory(world, '/srv/models'));
  const { monitors, views } = await compileDefinitions(definitionsInMemory([...world, ...all], '/srv/models'));
  const segment = { name: 'origin', value: 'ATL' };
  const of = { field: null, segment: null };
  expect(monitors).toEqual([
    {
      name: 'coverage of flights.delay where origin = ATL',
      subject: { place: 'source', object: 'flights', field: 'delay', segment },
      metric: 'coverage',
      least: 0.9,
      most: null,
    },
    {
      name: 'enough flights',
      subject: { ...of, place: 'source', object: 'flights' },
      metric: 'volume',
      least: 100,
      most: 5_000,
    },
    expect.objectContaining({
      subject: { ...of, place: 'source', object: 'flights', segment: { name: 'partition', value: '3' } },
    }),
    expect.objectContaining({ metric: 'lag', least: null, most: 600_000 }),
    expect.objectContaining({ subject: { ...of, place: 'view', object: 'delays' }, metric: 'kept' }),
    expect.objectContaining({ subject: { place: 'store', object: 'delays', field: 'mean_6h', segment } }),
    expect.objectContaining({ subject: { ...of, place: 'served', object: 'risk', field: 'delays.last' } }),
    expect.objectContaining({ subject: { ...of, place: 'served', object: 'risk' }, metric: 'found' }),
  ]);
  expect(views.get('delays')!.fingerprint).toBe(plain.views.get('delays')!.fingerprint);
  expect(plain.monitors).toEqual([]);
});

test('what can be asked is what alerts know', () => {
  expect(MONITOR_METRICS).toEqual(STATISTICS);
});

describe('a monitor is refused', () => {
  const coverage = { on: flights, field: 'delay', metric: 'coverage', threshold: { least: 0.9 } } as const;
  test.each<[string, unknown, string]>([
    ['over nothing', { ...coverage, on: undefined }, 'on: invalid-monitor'],
    ['over what is not exported', { ...coverage, on: { ...flights } }, 'on: invalid-monitor'],
    [
      'over a source that is not monitored',
      { on: quiet, metric: 'volume', threshold: { least: 1 } },
      'on: invalid-monitor',
    ],
    ['of no metric', { ...coverage, metric: 'psi' }, 'metric: invalid-monitor'],
    ['of a field that is none', { ...coverage, field: 'dealy' }, 'field: unknown-field'],
    ['of a metric of records, with a field', { ...coverage, metric: 'volume' }, 'metric: invalid-monitor'],
    ['of a metric of fields, without one', { ...coverage, field: undefined }, 'metric: invalid-monitor'],
    ['of the mean of texts', { ...coverage, field: 'carrier', metric: 'mean' }, 'metric: invalid-monitor'],
    ['of the values of a list', { ...coverage, field: 'legs', metric: 'distance' }, 'metric: invalid-monitor'],
    [
      'of the values of what is sensitive',
      { ...coverage, field: 'email', metric: 'distance' },
      'metric: invalid-monitor',
    ],
    ['of a segment that nobody declared', { ...coverage, segment: { carrier: 'AA' } }, 'segment: invalid-monitor'],
    ['of several segments', { ...coverage, segment: { origin: 'ATL', partition: '1' } }, 'segment: invalid-monitor'],
    ['of a segment that is text', { ...coverage, segment: 'ATL' }, 'segment: invalid-monitor'],
    ['of what is gathered', { ...coverage, segment: { origin: 'other' } }, 'segment: invalid-monitor'],
    ['of a share of the whole', { on: flights, metric: 'share', threshold: { most: 0.5 } }, 'segment: invalid-monitor'],
    [
      'of what a view keeps of a segment',
      { on: delays, metric: 'kept', segment: { origin: 'ATL' }, threshold: { least: 0.5 } },
      'segment: invalid-monitor',
    ],
    ['without a bound', { ...coverage, threshold: {} }, 'threshold: invalid-monitor'],
    ['with a bound that is text', { ...coverage, threshold: { least: '90%' } }, 'threshold.least: invalid-monitor'],
    ['with a share above one', { ...coverage, threshold: { least: 90 } }, 'threshold.least: invalid-monitor'],
    ['with bounds that cross', { ...coverage, threshold: { least: 0.9, most: 0.1 } }, 'threshold: invalid-monitor'],
    [
      'with a lag that is no duration',
      { on: flights, metric: 'lag', threshold: { most: 600 } },
      'threshold.most: invalid-duration',
    ],
  ])('%s', async (_, options, expected) => {
    expect(briefly(await faults(options))).toEqual([`monitor m ${expected}`]);
  });

  test('that is called as another is', async () => {
    const twice = [monitor(coverage), monitor({ ...coverage, threshold: { most: 0.99 } })];
    const name = 'coverage of flights.delay';
    expect(briefly(await faultsOf([...world, ...twice]))).toEqual([`monitor ${name} name: duplicate-name`]);
    expect(briefly(await faultsOf([...world, monitor(undefined as never)]))).toEqual([
      'monitor undefined of undefined on: invalid-monitor',
      'monitor undefined of undefined metric: invalid-monitor',
    ]);
  });
});
