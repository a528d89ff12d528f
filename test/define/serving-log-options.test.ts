import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { SERVED_SOURCE, servedSource } from '../../engine/served/served-source.ts';

const schema = z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string() });
const viewOver = (name: string, view = 'shop_sales') =>
  featureView(view, {
    entity: entity('shop', { shop: z.string() }),
    source: source(name, { schema, eventTime: 'at', eventId: 'id', topic: 'sales' }),
    features: (f) => ({ sales_1d: f.count().over('1d') }),
  });

describe('the serving log in definitions', () => {
  const view = viewOver('sales');

  test('a service says how much of it is logged', async () => {
    const definitions = await compileDefinitions(
      definitionsInMemory(
        [
          view,
          featureService('some', [view], { servingLog: 0.05 }),
          featureService('none', [view], { servingLog: 0 }),
          featureService('all', [view], { servingLog: 1 }),
          featureService('unsaid', [view]),
        ],
        '/',
      ),
    );
    expect([...definitions.services.values()].map(({ servingLog }) => servingLog)).toEqual([0.05, 0, 1, undefined]);
  });

  test('a share that is none, and the name of the log itself, are faults of the plan, all at once', async () => {
    const shares: unknown[] = [-0.1, 1.5, Number.NaN, '1', null];
    const services = shares.map((share, n) => featureService(`model_${n}`, [view], { servingLog: share as number }));
    const other = viewOver(SERVED_SOURCE, 'other_sales');
    const failed: unknown = await compileDefinitions(definitionsInMemory([view, other, ...services], '/')).catch(
      (error: unknown) => error,
    );
    const { details } = failed as { details: { faults: { code: string; definition: string; path: string }[] } };
    const found = details.faults.map(({ code, definition, path }) => [code, definition, path]);
    expect(found).toContainEqual(['reserved-name', SERVED_SOURCE, 'name']);
    for (let n = 0; n < shares.length; n++)
      expect(found).toContainEqual(['invalid-sample', `model_${n}`, 'servingLog']);
  });
});

describe('the source of the serving log', () => {
  test('is one like any other', () => {
    const served = servedSource('some.topic');
    expect(served).toMatchObject({
      name: 'millrace_served',
      topic: 'some.topic',
      eventTimeField: 'served_at',
      eventIdField: 'read_id',
      history: null,
    });
    expect(served.contract.fields.map(({ name }) => name)).toEqual([
      'read_id',
      'request_id',
      'service',
      'view',
      'role',
      'version',
      'fingerprint',
      'entity',
      'served_at',
      'as_of',
      'found',
      'ahead',
      'seq',
      'commit_id',
      'values',
      'errors',
      'request',
      'types',
    ]);
    expect(() => servedSource('no topic')).toThrow(expect.objectContaining({ code: 'invalid-topic' }));
  });
});
