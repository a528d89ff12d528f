/** Definitions of one view drawn at random, as the engine and as the oracle have them: of each feature, one of several, or none. */
import fc from 'fast-check';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledSource, CompiledView } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import type { Feature } from '../../engine/define/feature.ts';
import type { FeatureBuilder } from '../../engine/define/feature-builder.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import type { OracleFeature, OracleView } from '../oracle/view.ts';
import { UNLUCKY, type Visit, type VisitSettings } from '../oracle/visits.ts';
import { VISITS_TOPIC } from '../laws/log/visit-definitions.ts';

const VIEW = 'visitor_visits';
const INT = { kind: 'int' } as const;
const DOUBLE = { kind: 'double' } as const;
const MONEY = { kind: 'decimal', scale: 2 } as const;
const TEXT = { kind: 'string' } as const;

const schema = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  who: z.string().nullable(),
  kept: z.boolean(),
  n: z.int().min(0).nullable(),
  x: z.number().nullable(),
  p: decimal(10, 2).nullable(),
  s: z.string().nullable(),
});
const visitor = entity('visitor', { who: z.string() });
const visits = source('visits', { schema, eventTime: 'at', eventId: 'id', topic: VISITS_TOPIC });

type Builder = FeatureBuilder<(typeof schema)['shape']>;
interface Variant {
  /** What its result is, as messages name it. */
  readonly type: string;
  readonly build: (f: Builder) => Feature;
  readonly oracle: Omit<OracleFeature<Visit>, 'name'>;
}

const n = { type: INT, of: ({ n: value }: Visit) => value };
const x = { type: DOUBLE, of: ({ x: value }: Visit) => value };
const p = { type: MONEY, of: ({ p: value }: Visit) => value };
const s = { type: TEXT, of: ({ s: value }: Visit) => value };
const odd = {
  type: INT,
  of: ({ n: value }: Visit) => {
    if (value === UNLUCKY) throw new Error('unlucky');
    return value === null ? null : value % 2;
  },
};

/** By name; one of them is another type. */
export const VARIANTS: Readonly<Record<string, readonly Variant[]>> = {
  visits: [
    {
      type: 'int',
      build: (f) => f.count().over('2m', { hop: '30s' }),
      oracle: { aggregate: 'count', input: null, over: { window: '2m', hop: '30s' } },
    },
    {
      type: 'int',
      build: (f) => f.count().over('3m', { hop: '30s' }),
      oracle: { aggregate: 'count', input: null, over: { window: '3m', hop: '30s' } },
    },
    {
      type: 'int',
      build: (f) => f.count().over('2m', { hop: '30s', ago: '1m' }),
      oracle: { aggregate: 'count', input: null, over: { window: '2m', hop: '30s', ago: '1m' } },
    },
    { type: 'int', build: (f) => f.count('n'), oracle: { aggregate: 'count', input: n, over: null } },
  ],
  total: [
    {
      type: 'int',
      build: (f) => f.sum('n').over('90s', { hop: '1m' }),
      oracle: { aggregate: 'sum', input: n, over: { window: '90s', hop: '1m' } },
    },
    { type: 'int', build: (f) => f.sum('n'), oracle: { aggregate: 'sum', input: n, over: null } },
    {
      type: 'int',
      build: (f) => f.sum('n').over('90s', { hop: '1m' }).default(3),
      oracle: { aggregate: 'sum', input: n, over: { window: '90s', hop: '1m' }, fill: 3 },
    },
    {
      type: 'double',
      build: (f) => f.sum('x').over('50m', { hop: '7m' }),
      oracle: { aggregate: 'sum', input: x, over: { window: '50m', hop: '7m' } },
    },
  ],
  mean: [
    {
      type: 'double',
      build: (f) => f.avg('p').over('1h'),
      oracle: { aggregate: 'avg', input: p, over: { window: '1h' } },
    },
    {
      type: 'double',
      build: (f) => f.avg('x').over('1h'),
      oracle: { aggregate: 'avg', input: x, over: { window: '1h' } },
    },
    {
      type: 'double',
      build: (f) => f.avg('x').over('1h').default(0.5),
      oracle: { aggregate: 'avg', input: x, over: { window: '1h' }, fill: 0.5 },
    },
  ],
  text: [
    {
      type: 'string',
      build: (f) => f.min('s').over('1d'),
      oracle: { aggregate: 'min', input: s, over: { window: '1d' } },
    },
    {
      type: 'string',
      build: (f) => f.last('s').over('1d'),
      oracle: { aggregate: 'last', input: s, over: { window: '1d' } },
    },
  ],
  last_p: [
    {
      type: 'decimal(10,2)',
      build: (f) => f.last('p').over('2h'),
      oracle: { aggregate: 'last', input: p, over: { window: '2h' } },
    },
    { type: 'decimal(10,2)', build: (f) => f.first('p'), oracle: { aggregate: 'first', input: p, over: null } },
  ],
  odd: [
    {
      type: 'int',
      build: (f) =>
        f.sum(
          (e) => {
            if (e.n === 13) throw new Error('unlucky');
            return e.n === null ? null : e.n % 2;
          },
          { type: z.int() },
        ),
      oracle: { aggregate: 'sum', input: odd, over: null },
    },
  ],
};

const WHERE = [
  { engine: (e: { kept: boolean }) => e.kept, oracle: ({ kept }: Visit) => kept },
  { engine: () => true, oracle: () => true },
];
const KEY = [
  { engine: (e: { who: string | null }) => ({ who: e.who }), oracle: ({ who }: Visit) => who },
  { engine: (e: { s: string | null }) => ({ who: e.s }), oracle: ({ s: value }: Visit) => value },
];

/** Which variant of each feature, in which order; what counts; and by what. */
export interface DrawnDefinition {
  readonly features: readonly (readonly [name: string, variant: number])[];
  readonly where: number;
  readonly key: number;
}

export const drawnDefinition: fc.Arbitrary<DrawnDefinition> = fc.record({
  features: fc
    .tuple(
      ...Object.entries(VARIANTS).map(([name, variants]) =>
        fc.option(fc.tuple(fc.constant(name), fc.nat(variants.length - 1)), { freq: 5 }),
      ),
    )
    .map((drawn) => drawn.filter((one) => one !== null))
    .chain((drawn) =>
      fc.shuffledSubarray(drawn.length === 0 ? [['visits', 0] as [string, number]] : drawn, {
        minLength: Math.max(1, drawn.length),
      }),
    ),
  where: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
  key: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
});

export async function engineView(
  { features, where, key }: DrawnDefinition,
  { untilUs, horizonUs, maxAheadUs, brokerTime }: VisitSettings,
  historyPath: string | null,
  more: Partial<CompiledSource> = {},
): Promise<CompiledView> {
  const view = featureView(VIEW, {
    entity: visitor,
    source: visits,
    where: WHERE[where]!.engine,
    key: KEY[key]!.engine,
    features: (f) => Object.fromEntries(features.map(([name, variant]) => [name, VARIANTS[name]![variant]!.build(f)])),
  });
  const compiled = (await compileDefinitions(definitionsInMemory([visitor, visits, view], '/nowhere'))).views.get(
    VIEW,
  )!;
  return {
    ...compiled,
    source: {
      ...compiled.source,
      history: historyPath === null ? null : { path: historyPath, untilUs, disjoint: untilUs === null },
      dedupeHorizonUs: horizonUs,
      maxAheadUs: maxAheadUs ?? Number.POSITIVE_INFINITY,
      brokerTime,
      invalidLimit: { rate: 1, window: 1000 },
      ...more,
    },
  };
}

export function oracleDefinition({ features, where, key }: DrawnDefinition): OracleView<Visit> {
  return {
    where: WHERE[where]!.oracle,
    key: KEY[key]!.oracle,
    idType: TEXT,
    features: features.map(([name, variant]) => ({ name, ...VARIANTS[name]![variant]!.oracle })),
  };
}
