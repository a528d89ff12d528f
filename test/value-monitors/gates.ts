import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { entity, featureView, source } from '../../index.ts';

export const HOUR_MS = 3_600_000;
export const START_MS = Date.UTC(2001, 5, 1);

const seat = entity('seat', { airport: z.string(), gate: z.int() });
const boardings = source('boardings', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    airport: z.string(),
    gate: z.int(),
    delay: z.number().nullable(),
    line: z.enum(['A', 'B', 'C']),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'boardings',
});

/** Gates of airports: what is told by three hours. */
export async function gatesView(expire?: '6h'): Promise<CompiledView> {
  const view = featureView('gates', {
    entity: seat,
    source: boardings,
    segments: ['airport'],
    ...(expire === undefined ? {} : { expire }),
    features: (f) => ({
      n_3h: f.count().over('3h'),
      delay_max_3h: f.max('delay').over('3h'),
      line_3h: f.last('line').over('3h'),
    }),
    derived: (d) => ({ twice: d.int((v) => v.n_3h * 2) }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  return views.get('gates')!;
}

export interface Boarding {
  readonly atMs: number;
  readonly airport: string;
  readonly gate: number;
  readonly delay: number | null;
  readonly line: 'A' | 'B' | 'C';
}

/** In the order of time: some 20 hours of three airports, of which one falls silent. */
export function boardingsOf(seed: number): Boarding[] {
  let state = seed >>> 0;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let atMs = START_MS + 1;
  return Array.from({ length: 70 }, (_, n): Boarding => {
    atMs += 1 + next(1_600_000);
    return {
      atMs,
      airport: ['LAS', 'PHL', n < 30 ? 'SEA' : 'LAS'][next(3)]!,
      gate: next(6),
      delay: next(4) === 0 ? null : (next(200) - 100) / 4,
      line: (['A', 'B', 'C'] as const)[next(3)]!,
    };
  });
}

/** As a topic has it. */
export function record(boarding: Boarding, id: number) {
  const { atMs, ...rest } = boarding;
  const value = Buffer.from(JSON.stringify({ id: `b${id}`, at: new Date(atMs).toISOString(), ...rest }));
  return { key: null, value, timestampUs: atMs * 1000 };
}

/** The summary of numbers, by the book. */
export function numbersOf(values: readonly (number | null)[]): object {
  const given = values.filter((value) => value !== null);
  const bins = [...Map.groupBy(given.map(bucketOf(6)), (bin) => bin)].map(([bin, of]): [number, number] => [
    bin,
    of.length,
  ]);
  return {
    nulls: values.length - given.length,
    numbers: {
      sum: given.reduce((a, b) => a + b, 0),
      squares: given.reduce((a, b) => a + b * b, 0),
      zeros: given.filter((value) => value === 0).length,
    },
    bins: new Map(bins.sort(([a], [b]) => a - b)),
    top: null,
  };
}
