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
    refresh: null,
    shortFingerprint: fingerprint.slice(0, 12),
    running,
  });
  const tags = definitions.views.get('route_delays')?.tags?.features ?? {};
  expect(rows[1]?.features).toEqual([
    {
      name: 'flights_1d',
      aggregate: 'count',
      input: '*',
      window: '1d',
      hop: '1h',
      type: 'int',
      tag: tags['flights_1d'],
    },
    {
      name: 'delay_avg_7d',
      aggregate: 'avg',
      input: 'delay',
      window: '7d',
      hop: '1h',
      type: 'double?',
      tag: tags['delay_avg_7d'],
    },
    {
      name: 'delay_max_1d',
      aggregate: 'max',
      input: 'delay',
      window: '1d',
      hop: '1h',
      type: 'int?',
      tag: tags['delay_max_1d'],
    },
    {
      name: 'late_share_7d',
      aggregate: 'avg',
      input: '(e) => ((e.delay ?? 0) > 15 ? 1 : 0)',
      window: '7d',
      hop: '1h',
      type: 'double?',
      tag: tags['late_share_7d'],
    },
    {
      name: 'miles_30d',
      aggregate: 'sum',
      input: 'distance',
      window: '30d',
      hop: '1d',
      type: 'int?',
      tag: tags['miles_30d'],
    },
    {
      name: 'last_delay',
      aggregate: 'last',
      input: 'delay',
      window: 'lifetime',
      hop: '',
      type: 'int?',
      tag: tags['last_delay'],
    },
  ]);
  expect(Object.keys(tags)).toHaveLength(6);
  expect(describePlan(definitions)[0]).toMatchObject({ running: null, change: 'unknown' });
  const other = new Map([['route_delays', { ...running, fingerprint: 'other' }]]);
  expect(describePlan(definitions, other)[1]?.change).toBe('changed');
  expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
});
