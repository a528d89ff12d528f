/** The visits of the oracle as a definition: what `test/oracle/visits.ts` has by hand. */
import { z } from 'zod';
import { decimal } from '../../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../../engine/define/compile-definitions.ts';
import type { CompiledSource, CompiledView, Definitions } from '../../../engine/define/compiled-view.ts';
import { entity } from '../../../engine/define/entity.ts';
import { featureService } from '../../../engine/define/feature-service.ts';
import { featureView } from '../../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../../engine/define/loaded-definitions.ts';
import { source } from '../../../engine/define/source.ts';
import type { IdKind, VisitSettings } from '../../oracle/visits.ts';

export const VISITS_TOPIC = 'visits';

const schemaOf = <Id extends z.ZodType>(id: Id) =>
  z.object({
    id,
    at: z.iso.datetime(),
    who: z.string().nullable(),
    kept: z.boolean(),
    n: z.int().min(0).nullable(),
    x: z.number().nullable(),
    p: decimal(10, 2).nullable(),
    s: z.string().nullable(),
  });

const visitor = entity('visitor', { who: z.string() });
const common = { eventTime: 'at', topic: VISITS_TOPIC } as const;

const sources = {
  text: source('visits', { ...common, schema: schemaOf(z.string()), eventId: 'id' }),
  int: source('visits', { ...common, schema: schemaOf(z.int()), eventId: 'id' }),
  int64: source('visits', { ...common, schema: schemaOf(z.int64()), eventId: 'id' }),
  none: source('visits', { ...common, schema: schemaOf(z.string()) }),
} as const;

const visits = featureView('visitor_visits', {
  entity: visitor,
  source: sources.text,
  where: (e) => e.kept,
  expire: '2d',
  features: (f) => ({
    visits_2m: f.count().over('2m', { hop: '30s' }),
    numbers: f.count('n'),
    n_90s: f.sum('n').over('90s', { hop: '1m' }),
    x_50m: f.sum('x').over('50m', { hop: '7m' }),
    p_1h: f.avg('p').over('1h'),
    p_2m_or_5: f.sum('p').over('2m').default('-5.1'),
    last_s_or_none: f.last('s').default("n'one").over('2m'),
    x_max_before_or_0: f.max('x').over('1h', { ago: '1h' }).default(0),
    visits_2m_before: f.count().over('2m', { hop: '30s', ago: '2m' }),
    x_50m_before: f.sum('x').over('50m', { hop: '7m', ago: '50m' }),
    last_s_a_minute_ago: f.last('s').over('50m', { hop: '7m', ago: '1m' }),
    n_deviation_yesterday: f.stddev('n').over('1d', { ago: '1d' }),
    x_avg: f.avg('x'),
    s_min_1d: f.min('s').over('1d'),
    x_max_13d: f.max('x').over('13d'),
    first_s: f.first('s'),
    last_n: f.last('n'),
    last_p_2h: f.last('p').over('2h'),
    first_n_1d: f.first('n').over('1d'),
    x_deviation: f.stddev('x').over('50m', { hop: '7m' }),
    x_variance: f.variance('x'),
    p_variance_1h: f.variance('p', { population: true }).over('1h'),
    n_deviation_1d: f.stddev('n').over('1d'),
    x_quantiles_50m: f.quantiles('x', [0.9, 0.5, 0]).over('50m', { hop: '7m' }),
    p_median: f.median('p', { accuracy: 0.1 }),
    some_s_1d: f.approxDistinct('s').over('1d'),
    positive_1d: f
      .count()
      .over('1d')
      .where((e) => e.x !== null && e.x > 0),
    n_of_texts_50m: f
      .sum('n')
      .where((e) => e.s !== null)
      .over('50m', { hop: '7m' }),
    last_s_with_p: f.last('s').where((e) => e.p !== null),
    least_n_by_x: f
      .minBy(
        (e) => {
          if (e.n === null) throw new Error('null');
          return e.n;
        },
        'x',
        { type: z.int() },
      )
      .where((e) => e.n !== null)
      .over('2h'),
    s_of_most_x: f.maxBy('s', 'x').over('50m', { hop: '7m' }),
    n_of_least_p: f.minBy('n', 'p'),
    p_by_rest_1d: f.maxBy('p', (e) => (e.n === null ? null : e.n % 2), { byType: z.int() }).over('1d'),
    last_3_s_50m: f.lastN('s', 3).over('50m', { hop: '7m' }),
    last_2_n_each: f.lastN('n', 2, { distinct: true }),
    first_4_p_1d_before: f
      .firstN('p', 4)
      .where((e) => e.x !== null)
      .over('1d', { ago: '1d' }),
    first_2_s_each_or: f.firstN('s', 2, { distinct: true }).over('2h').default(['none']),
    distinct_n_50m: f.distinct('n', { limit: 3 }).over('50m', { hop: '7m' }),
    top_2_s_50m: f.topK('s', 2).over('50m', { hop: '7m' }),
    top_3_p: f.topK('p', 3, { limit: 4 }),
    distinct_s_before: f
      .distinct('s')
      .where((e) => e.x !== null)
      .over('1d', { ago: '1d' }),
    n_counted_50m: f.histogram('n', { limit: 4 }).over('50m', { hop: '7m' }),
    p_by_s_1d: f.sum('p').by('s', { limit: 3 }).over('1d'),
    rows_by_rest: f.count().by((e) => (e.n === null ? null : e.n % 2), { type: z.int() }),
    x_median_by_s_before: f
      .median('x')
      .by('s')
      .where((e) => e.p !== null)
      .over('1d', { ago: '1d' }),
    odd: f.sum(
      (e) => {
        if (e.n === 13) throw new Error('unlucky');
        return e.n === null ? null : e.n % 2;
      },
      { type: z.int() },
    ),
  }),
});

/** A service of the one view. */
export const VISITS_SERVICE = 'visits';

const compiled = new Map<IdKind, Promise<Definitions>>();

/** The definitions with that kind of id, compiled once. */
function definitionsOf(idKind: IdKind): Promise<Definitions> {
  const view = { ...visits, source: sources[idKind] };
  const service = featureService(VISITS_SERVICE, [view]);
  const made =
    compiled.get(idKind) ??
    compileDefinitions(definitionsInMemory([visitor, sources[idKind], view, service], '/nowhere'));
  compiled.set(idKind, made);
  return made;
}

/**
 * The view with the settings of a log.
 *
 * @param historyPath glob of its files; null: it has none
 */
export async function visitsView(
  { idKind, untilUs, horizonUs, maxAheadUs, brokerTime }: VisitSettings,
  historyPath: string | null,
  more: Partial<CompiledSource> = {},
): Promise<CompiledView> {
  const view = (await definitionsOf(idKind)).views.get('visitor_visits')!;
  return {
    ...view,
    source: {
      ...view.source,
      history: historyPath === null ? null : { path: historyPath, untilUs, disjoint: untilUs === null },
      dedupeHorizonUs: horizonUs,
      maxAheadUs: maxAheadUs ?? Number.POSITIVE_INFINITY,
      brokerTime,
      // Never too many: the limit is a brake, and changes no value.
      invalidLimit: { rate: 1, window: 1000 },
      ...more,
    },
  };
}
