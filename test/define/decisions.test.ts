import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { compileSource } from '../../engine/define/compile-source.ts';
import { decisions } from '../../engine/define/decisions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { fingerprintView } from '../../engine/define/fingerprint.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { outcomes } from '../../engine/define/outcomes.ts';
import { source } from '../../engine/define/source.ts';
import { briefly, faultsOf } from './faults.ts';

const context = z.object({ shop: z.string(), basket: z.object({ total: z.int() }).nullable() });
const sample = decisions('offers', { context });
const shop = entity('shop', { shop: z.string() });

function decodes(definition: Parameters<typeof compileSource>[0], record: object): string[] {
  const { source: compiled } = compileSource(definition, '/', (code, path, message) => {
    throw new Error(`${code} ${path}: ${message}`);
  });
  const decoded = compiled.contract.decodeJson(JSON.stringify(record));
  return decoded.ok ? [] : [...decoded.reasons];
}

const offer = {
  decision_id: 'd-1',
  decided_at: '2001-06-01T10:00:00Z',
  request_ids: [],
  reads: [],
  acted: true,
  action: 'ten-percent',
  alternatives: [],
  more_alternatives: 0,
  context: { shop: 'north', basket: null },
};

describe('decisions and outcomes in definitions', () => {
  test('are sources with the topics of the installation, one of each', async () => {
    const clicks = outcomes('clicks', { value: z.boolean() });
    const made = await compileDefinitions(definitionsInMemory([sample, clicks], '/'));
    expect([...made.sources.values()].map(({ name, topic, says }) => [name, topic, says])).toEqual([
      ['offers', 'millrace.decisions', 'decisions'],
      ['clicks', 'millrace.outcomes', 'outcomes'],
    ]);
    expect(briefly(await faultsOf([sample, decisions('others', { context })]))).toEqual([
      'source others topic: duplicate-topic',
    ]);
    expect(await faultsOf([sample, decisions('others', { context, topic: 'others' })])).toEqual([]);
  });

  test('their log is read as is said of it: a history, a horizon of dedupe, a limit of what is invalid', async () => {
    const log = {
      dedupeHorizon: '72h',
      invalidLimit: { rate: 0.5, window: 100 },
      history: { path: 'data/offers/*.jsonl', until: '2026-01-01T00:00:00Z' },
    } as const;
    const clicks = outcomes('clicks', { value: z.boolean(), ...log });
    const made = await compileDefinitions(
      definitionsInMemory([decisions('offers', { context, ...log }), clicks], '/srv/models'),
    );
    for (const name of ['offers', 'clicks'])
      expect(made.sources.get(name)).toMatchObject({
        dedupeHorizonUs: 72 * 3_600_000_000,
        invalidLimit: { rate: 0.5, window: 100 },
        history: { path: '/srv/models/data/offers/*.jsonl', untilUs: Date.UTC(2026, 0) * 1000 },
      });
    const wrong = outcomes('clicks', {
      value: z.boolean(),
      dedupeHorizon: 'soon' as never,
      invalidLimit: { rate: 2, window: 100 },
      history: { path: '' },
    });
    expect(briefly(await faultsOf([wrong]))).toEqual([
      'source clicks history.path: invalid-history',
      'source clicks dedupeHorizon: invalid-duration',
      'source clicks invalidLimit: invalid-limit',
    ]);
    // @ts-expect-error: not one of its fields
    outcomes('clicks', { value: z.boolean(), history: { path: 'a', partitions: ['country'] } });
  });

  test('a view over them is another one than over a source of the same fields that has no rules', () => {
    const viewOver = (of: typeof sample): string => {
      const { source: compiled, plans } = compileSource(of, '/', () => undefined);
      const definition = featureView('offers_of_shop', {
        entity: shop,
        source: of,
        key: (d) => ({ shop: d.context.shop }),
        features: (f) => ({ offers_1d: f.count().over('1d') }),
      });
      const view = { source: compiled, layout: {}, slots: [], derived: [] };
      return fingerprintView({ definition, view, plans, code: null } as unknown as Parameters<
        typeof fingerprintView
      >[0]);
    };
    const { says: _, ...bare } = sample;
    const plain = { ...bare, options: { ...bare.options, topic: 'millrace.decisions' } } as unknown as typeof sample;
    expect(viewOver(sample)).not.toBe(viewOver(plain));
  });

  test('a context that is no object, and values and entities that no outcome has, are faults', async () => {
    const wrong = decisions('offers', { context: z.string() as never, topic: 'a' });
    const nullable = decisions('more', { context: context.nullable() as never, topic: 'b' });
    const missing = decisions('none', { context: undefined as never, topic: 'c' });
    const when = outcomes('whens', { value: z.iso.datetime(), topic: 'd' });
    const lists = outcomes('lists', { value: z.array(z.int()), entity: z.object({ to: z.array(z.string()) }) });
    expect(briefly(await faultsOf([wrong, nullable, missing, when, lists]))).toEqual([
      'source offers context: wrong-field-type',
      'source more context: wrong-field-type',
      'source none schema.context: unsupported-contract',
      'source whens value: wrong-field-type',
      'source lists value: wrong-field-type',
      'source lists entity.to: unsupported-type',
    ]);
  });

  test('not-logged-whole: a service that decisions name by the request alone is logged at 100 %', async () => {
    const view = featureView('shop_sales', {
      entity: shop,
      source: source('sales', {
        schema: z.object({ at: z.iso.datetime(), shop: z.string() }),
        eventTime: 'at',
        topic: 's',
      }),
      features: (f) => ({ sales_1d: f.count().over('1d') }),
    });
    const whole = featureService('whole', [view], { servingLog: 1 });
    const part = featureService('part', [view], { servingLog: 0.5 });
    const unsaid = featureService('unsaid', [view]);
    expect(await faultsOf([view, whole, decisions('offers', { context, byRequest: [whole] })])).toEqual([]);
    const faults = await faultsOf([
      view,
      part,
      unsaid,
      decisions('offers', { context, byRequest: [whole, part, unsaid] }),
    ]);
    expect(briefly(faults)).toEqual([
      'source offers byRequest: not-logged-whole',
      'source offers byRequest: not-logged-whole',
    ]);
    expect(faults[0]!.message).toContain('service "part" is logged by a share of 0.5 of its entities');
    expect(faults[1]!.remedy).toContain('Give service "unsaid" servingLog: 1');
  });
});

describe('a record that breaks a rule has its reason', () => {
  const alternatives = [
    { action: 'none', propensity: 0.5 },
    { action: 'gift', propensity: 0.25, score: 1.5 },
  ];
  const whole = { ...offer, propensity: 0.25, alternatives };
  test.each([
    ['whole', whole, []],
    ['without any chances', { ...offer, alternatives: [{ action: 'none' }] }, []],
    ['zero', { ...offer, propensity: 0 }, ['propensity: expected a number above 0 and at most 1, received 0']],
    [
      'an assignment that cannot be',
      { ...offer, assignment_propensity: 1.5 },
      ['assignment_propensity: expected a number above 0 and at most 1, received 1.5'],
    ],
    [
      'no sum of one',
      { ...whole, propensity: 0.2 },
      ['propensity: expected a sum of 1 with those of the alternatives, received 0.95'],
    ],
    ['a sum of less, as there were more', { ...whole, propensity: 0.2, more_alternatives: 3 }, []],
    [
      'a sum of more, though there were more',
      { ...whole, propensity: 0.5, more_alternatives: 3 },
      ['propensity: expected a sum of at most 1 with those of the alternatives, received 1.25'],
    ],
    [
      'one without',
      { ...whole, alternatives: [alternatives[0], { action: 'gift' }] },
      ['alternatives[1].propensity: expected a number from 0 to 1, received null'],
    ],
    [
      'the one taken without',
      { ...whole, propensity: null },
      ['propensity: expected a chance, as alternatives have one, received null'],
    ],
    [
      'twice, and the one taken',
      { ...offer, alternatives: [{ action: 'none' }, { action: 'none' }, { action: 'ten-percent' }] },
      [
        'alternatives[1].action: expected an action that is there once, received "none"',
        'alternatives[2].action: expected another action than the one taken, received "ten-percent"',
      ],
    ],
    [
      'too many',
      { ...offer, alternatives: Array.from({ length: 101 }, (_, n) => ({ action: `a${n}` })) },
      ['alternatives: expected at most 100, and the rest as a count in more_alternatives, received 101'],
    ],
    [
      'fewer than none',
      { ...offer, more_alternatives: -1 },
      ['more_alternatives: expected an integer from 0, received -1'],
    ],
    [
      'a shadow of nothing',
      { ...offer, acted: false },
      ['shadow_of: expected the decision that was acted on, as this one was not, received null'],
    ],
    [
      'acted on, and a shadow',
      { ...offer, shadow_of: 'd-0' },
      ['shadow_of: expected null, as it was acted on, received "d-0"'],
    ],
    [
      'an id with a space',
      { ...offer, request_ids: ['a b'] },
      ['request_ids[0]: expected text matching /^[\\x21-\\x7e]{1,128}$/, received "a b"'],
    ],
  ])('%s', (_, record, reasons) => {
    expect(decodes(sample, record)).toEqual(reasons);
  });

  test('an outcome is about a decision, or an entity in its place', () => {
    const flights = outcomes('departures', { value: z.int(), entity: z.object({ flight: z.string() }) });
    const outcome = { outcome_id: 'o', name: 'delay', occurred_at: '2001-06-01T10:00:00Z', value: 3 };
    expect(decodes(flights, { ...outcome, entity: { flight: 'A1' } })).toEqual([]);
    expect(decodes(flights, { ...outcome, decision_id: 'd-1' })).toEqual([]);
    const nothing = ['decision_id: expected a decision, or an entity in its place, received null'];
    expect(decodes(flights, { ...outcome, entity: null })).toEqual(nothing);
    expect(decodes(outcomes('clicks', { value: z.int() }), outcome)).toEqual(nothing);
  });
});
