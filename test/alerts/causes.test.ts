import { describe, expect, test } from 'vitest';
import type { Deviation } from '../../engine/alerts/evaluate-bucket.ts';
import type { Statistic } from '../../engine/alerts/figures.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import { type MonitorPaths, NO_PATHS } from '../../engine/alerts/monitor-paths.ts';
import { traceCauses } from '../../engine/alerts/trace-causes.ts';
import type { MonitorPlace } from '../../engine/monitors/monitor-bucket.ts';

const HOUR_MS = Date.parse('2026-06-01T12:00Z');

function deviation(
  place: MonitorPlace,
  object: string,
  field: string | null,
  statistic: Statistic,
  more: Partial<Deviation> & { readonly segment?: string } = {},
): Deviation {
  const { segment, ...rest } = more;
  return {
    subject: { place, object, field, segment: segment === undefined ? null : { name: 'origin', value: segment } },
    statistic,
    value: 0.5,
    usual: 0.97,
    score: -12,
    chance: 1e-9,
    matters: true,
    weeks: 8,
    count: 900,
    times: 1,
    sinceMs: HOUR_MS,
    ...rest,
  };
}

const causesOf = (deviations: readonly Deviation[], paths: MonitorPaths = PATHS, already = []) =>
  traceCauses({ beginMs: HOUR_MS, deviations, series: new Map(), tested: deviations.length }, paths, already);

/** Forty features of one view, each of its own field but those of `delay`; a service that serves them. */
const FEATURES = Array.from({ length: 40 }, (_, index) => `f${index}`);
const PATHS: MonitorPaths = {
  ...NO_PATHS,
  sourceOf: new Map([['delays', 'flights']]),
  viewsOf: new Map([['risk', ['delays']]]),
  fieldsOf: new Map(FEATURES.map((name) => [`delays.${name}`, ['delay']])),
};

describe('what deviates has causes', () => {
  test('forty features that depend on one field are one, through stages at which nothing shows', () => {
    const features = FEATURES.map((name) => deviation('store', 'delays', name, 'coverage'));
    const served = FEATURES.map((name) => deviation('served', 'risk', `delays.${name}`, 'coverage'));
    const field = deviation('source', 'flights', 'delay', 'coverage');
    const [cause, ...more] = causesOf([...features, ...served, field]);
    expect(more).toEqual([]);
    expect(cause).toMatchObject({ place: 'source', kind: 'coverage', root: { object: 'flights', field: 'delay' } });
    expect(cause!.deviations).toHaveLength(81);
    expect(causesOf([...served, field])).toHaveLength(1);
  });

  test('what has no deviating input is where it shows first', () => {
    expect(causesOf([deviation('served', 'risk', 'delays.f1', 'coverage')])).toMatchObject([{ place: 'serving' }]);
    expect(causesOf([deviation('store', 'delays', 'f1', 'coverage')])).toMatchObject([{ place: 'store' }]);
    expect(causesOf([deviation('store', 'delays', null, 'left-out')])).toMatchObject([{ place: 'transformation' }]);
    expect(causesOf([deviation('source', 'flights', 'delay', 'coverage', { segment: 'ATL' })])).toMatchObject([
      { place: 'producer', root: { segment: { value: 'ATL' } } },
    ]);
    const flipped = { ...PATHS, flips: new Map([['delays', [HOUR_MS + 60_000]]]) };
    expect(causesOf([deviation('store', 'delays', 'f1', 'mean')], flipped)).toMatchObject([
      { place: 'transformation' },
    ]);
  });

  test('what a view keeps is between source and store, and takes along what is made of it', () => {
    const kept = deviation('view', 'delays', null, 'kept', { value: 0.7, usual: 1 });
    const lost = deviation('store', 'delays', 'f1', 'coverage');
    const answered = deviation('served', 'risk', 'delays.f1', 'coverage');
    expect(causesOf([answered, lost, kept])).toMatchObject([
      { place: 'transformation', kind: 'kept', root: { place: 'view', object: 'delays' }, deviations: [{}, {}, {}] },
    ]);
    // What came is not as usual: what was kept of it need not be.
    const share = deviation('source', 'flights', null, 'share', { segment: 'ATL' });
    expect(causesOf([share, kept])).toMatchObject([{ place: 'producer', root: { segment: { value: 'ATL' } } }]);
    const reads = { ...PATHS, keptBy: new Map([['delays', ['origin']]]) };
    const field = (name: string) => deviation('source', 'flights', name, 'coverage');
    expect(causesOf([field('origin'), kept, lost], reads)).toMatchObject([
      { place: 'source', deviations: [{}, {}, {}] },
    ]);
    expect(causesOf([field('gate'), kept], reads)).toHaveLength(2);
    expect(causesOf([deviation('view', 'delays', null, 'left-out')])).toMatchObject([{ place: 'transformation' }]);
  });

  test('a cause of a cause is the cause, where the first alone could not come of it', () => {
    const mixed = deviation('source', 'flights', null, 'volume', { value: 3000, usual: 900 });
    const kept = deviation('view', 'delays', null, 'kept');
    const lost = deviation('store', 'delays', 'f1', 'coverage');
    expect(causesOf([lost, kept, mixed])).toMatchObject([
      { place: 'source', kind: 'volume', deviations: [{}, {}, {}] },
    ]);
  });

  test('a state that is none was broken where it is kept, wherever it is found', () => {
    expect(causesOf([deviation('served', 'risk', null, 'invalid', { value: 0.001, usual: 0 })])).toMatchObject([
      { place: 'store', kind: 'invalid' },
    ]);
  });

  test('records that stop take along what the mixture changes, and no field that lost its values by itself', () => {
    const silent = deviation('source', 'flights', null, 'volume', { value: 0, usual: 900 });
    const mixed = deviation('source', 'flights', 'carrier', 'distance');
    const lost = deviation('source', 'flights', 'delay', 'coverage');
    expect(causesOf([silent, mixed])).toMatchObject([{ kind: 'silence', place: 'source' }]);
    expect(
      causesOf([silent, mixed, lost])
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(['coverage', 'silence']);
  });

  test('fields of one source that change for one segment at once are one cause, of others others', () => {
    const of = (field: string, segment: string, score: number) =>
      deviation('source', 'flights', field, 'coverage', { segment, score });
    const causes = causesOf([of('delay', 'ATL', -20), of('taxi', 'ATL', -9), of('gate', 'ORD', -8)]);
    expect(causes).toMatchObject([
      { root: { field: 'delay', segment: { value: 'ATL' } }, deviations: [{}, {}] },
      { root: { field: 'gate', segment: { value: 'ORD' } } },
    ]);
  });

  test('of a feature whose fields nobody observed any field may be the cause', () => {
    const paths = { ...PATHS, fieldsOf: new Map() };
    const deviations = [
      deviation('store', 'delays', 'f1', 'coverage'),
      deviation('source', 'flights', 'delay', 'coverage'),
    ];
    const figures = { beginMs: HOUR_MS, count: 0, values: {}, numbers: null };
    const series = new Map(
      deviations.map(({ subject }) => [
        JSON.stringify(subject),
        { subject, figures, memory: NO_MEMORY, judged: new Map() },
      ]),
    );
    const result = { beginMs: HOUR_MS, deviations, series, tested: 2 };
    expect(traceCauses(result, paths)).toMatchObject([{ root: { field: 'delay' } }]);
  });
});
