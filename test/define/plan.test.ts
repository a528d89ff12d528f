import { expect, test } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { describePlan } from '../../engine/define/plan.ts';

test('a plan says what each view is, and what runs', async () => {
  const definitions = await loadDefinitions('features');
  const fingerprint = definitions.views.get('route_delays')!.fingerprint;
  const running = { phase: 'streaming', version: 3, fingerprint };
  const rows = describePlan(definitions, new Map([['route_delays', running]]));
  expect(rows.map((row) => [row.view, row.change])).toEqual([
    ['airport_traffic', 'new'],
    ['route_delays', 'unchanged'],
  ]);
  expect(rows[1]).toMatchObject({
    entity: 'route',
    keys: [
      { name: 'origin', type: 'string' },
      { name: 'destination', type: 'string' },
    ],
    source: 'flights',
    topic: 'flights',
    services: ['delay_model'],
    roles: [],
    refresh: null,
    expire: null,
    keptExpired: null,
    shortFingerprint: fingerprint.slice(0, 12),
    running,
  });
  const tags = definitions.views.get('route_delays')?.tags?.features ?? {};
  expect(rows[0]).toMatchObject({
    services: ['delay_model'],
    roles: [
      { service: 'delay_model', role: 'from', columns: { airport: 'origin' } },
      { service: 'delay_model', role: 'to', columns: { airport: 'destination' } },
    ],
  });
  expect(rows[1]?.features).toEqual([
    {
      name: 'flights_1d',
      aggregate: 'count',
      input: '*',
      window: '1d',
      hop: '1h',
      type: 'int',
      tag: tags['flights_1d'],
      observedFields: [],
    },
    {
      name: 'delay_avg_7d',
      aggregate: 'avg',
      input: 'delay',
      window: '7d',
      hop: '1h',
      type: 'double?',
      tag: tags['delay_avg_7d'],
      observedFields: ['delay'],
    },
    {
      name: 'delay_max_1d',
      aggregate: 'max',
      input: 'delay',
      window: '1d',
      hop: '1h',
      type: 'int?',
      tag: tags['delay_max_1d'],
      observedFields: ['delay'],
    },
    {
      name: 'late_share_7d',
      aggregate: 'avg',
      input: '(e) => ((e.delay ?? 0) > 15 ? 1 : 0)',
      window: '7d',
      hop: '1h',
      type: 'double?',
      tag: tags['late_share_7d'],
      observedFields: ['delay'],
    },
    {
      name: 'miles_30d',
      aggregate: 'sum',
      input: 'distance',
      window: '30d',
      hop: '1d',
      type: 'int?',
      tag: tags['miles_30d'],
      observedFields: ['distance'],
    },
    {
      name: 'last_delay',
      aggregate: 'last',
      input: 'delay',
      window: 'lifetime',
      hop: '',
      type: 'int?',
      tag: tags['last_delay'],
      observedFields: ['delay'],
    },
  ]);
  expect(Object.keys(tags)).toHaveLength(6);
  expect(describePlan(definitions)[0]).toMatchObject({ running: null, change: 'unknown' });
  const other = new Map([['route_delays', { ...running, fingerprint: 'other' }]]);
  expect(describePlan(definitions, other)[1]?.change).toBe('changed');
  expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
});

test('a plan says when entities expire, and why the rows of those that have would stay', async () => {
  const { views } = await loadDefinitions('features');
  const view = views.get('airport_traffic')!;
  const HOUR = 3_600_000_000;
  const lifetime = { hopUs: null, spanUs: null };
  const row = ({
    groups = [{ hopUs: HOUR, spanUs: HOUR }],
    ...more
  }: Partial<typeof view.source> & { groups?: object[] }) => {
    const layout = { ...view.layout, groups: groups as (typeof view.layout)['groups'], expireUs: 7 * 24 * HOUR };
    const planned = { ...view, layout, source: { ...view.source, ...more } };
    const [{ expire, keptExpired }] = describePlan({
      views: new Map([[view.name, planned]]),
      services: new Map(),
      sources: new Map(),
    } as never) as [ReturnType<typeof describePlan>[number]];
    return [expire, keptExpired];
  };
  expect(row({})).toEqual(['7d', null]);
  expect(row({ groups: [lifetime] })).toEqual(['7d', expect.stringMatching(/over all time/)]);
  expect(row({ topic: null })).toEqual(['7d', expect.stringMatching(/without a topic/)]);
  expect(row({ maxAheadUs: Number.POSITIVE_INFINITY })).toEqual(['7d', expect.stringMatching(/maxAhead: false/)]);
  expect(row({ brokerTime: 'none' })).toEqual(['7d', expect.stringMatching(/brokerTime: 'none'/)]);
});
