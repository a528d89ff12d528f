/** A view over a log: `where` → key → the reducers' inputs, written from design §5 alone. */
import type { OracleScalar, OracleType } from './order.ts';
import type { OracleStep } from './source-log.ts';
import { defaultHopUs, durationUs, type OracleSpan } from './window.ts';

export type OracleAggregate =
  | 'count'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'first'
  | 'last'
  | 'minBy'
  | 'maxBy'
  | 'variance'
  | 'stddev'
  | 'firstN'
  | 'lastN'
  | 'distinct'
  | 'topK'
  | 'histogram'
  | 'quantiles'
  | 'median'
  | 'approxDistinct';

export interface OracleInput<Row> {
  readonly type: OracleType;
  readonly of: (row: Row) => OracleScalar | null;
}

export interface OracleFeature<Row> {
  readonly name: string;
  readonly aggregate: OracleAggregate;
  /** `null`: `count()` of rows. A function may throw. */
  readonly input: OracleInput<Row> | null;
  /** Of `variance` and `stddev`. */
  readonly population?: boolean | undefined;
  /** Of `firstN` and `lastN`: n. */
  readonly size?: number | undefined;
  readonly distinct?: boolean | undefined;
  /** Of `quantiles`, which. */
  readonly quantiles?: readonly number[] | undefined;
  /** Of `quantiles` and `median`. */
  readonly accuracy?: number | undefined;
  /** Of `topK`: k. */
  readonly top?: number | undefined;
  /** Of `distinct`, `topK` and `histogram`; default 1,000. */
  readonly limit?: number | undefined;
  /** The y of `minBy` and `maxBy`. */
  readonly order?: OracleInput<Row> | undefined;
  /** `.by`: what divides its events. */
  readonly by?: (OracleInput<Row> & { readonly limit: number }) | undefined;
  /** Of a feature that is divided: the type of a category's value; null: a list or a map. */
  readonly resultType?: OracleType | null | undefined;
  /** The feature's own `where`. May throw. */
  readonly where?: ((row: Row) => boolean) | undefined;
  /** What `default` says: in place of null. Never in place of an error. */
  readonly fill?: OracleScalar | undefined;
  /** As in `.over(window, { hop, ago })`, or in µs; `null`: lifetime. */
  readonly over: { readonly window: string; readonly hop?: string; readonly ago?: string } | OracleSpan | null;
}

export interface OracleView<Row> {
  readonly where: (row: Row) => boolean;
  /** The join key as text, `null` where a part of it is. */
  readonly key: (row: Row) => string | null;
  /** The type of the source's event id; `null`: it declares none. */
  readonly idType: OracleType | null;
  readonly features: readonly OracleFeature<Row>[];
  /** "read as never seen at t when the newest event is at or before t − expire"; undefined: never. */
  readonly expireUs?: number | undefined;
}

/** An event as the reducers have it: one input per feature, null to skip (of `count()` of rows, `true`). */
export interface OracleEvent {
  readonly partition: number;
  readonly offset: number;
  readonly eventTimeUs: number;
  readonly id: OracleScalar | null;
  readonly inputs: readonly (OracleScalar | null)[];
  /** Per feature its y; none where no feature takes one. */
  readonly orders?: readonly (OracleScalar | null)[] | undefined;
  /** Per feature its category; none where no feature is divided. */
  readonly categories?: readonly (OracleScalar | null)[] | undefined;
}

export interface OracleViewLog<Row> {
  readonly filtered: number;
  readonly nullKey: number;
  /** Records on which a function of this view failed: invalid for it alone. */
  readonly failed: readonly OracleStep<Row>[];
  readonly entities: ReadonlyMap<string, readonly OracleEvent[]>;
}

/** What a view makes of a log's events. */
export function oracleView<Row>(view: OracleView<Row>, steps: readonly OracleStep<Row>[]): OracleViewLog<Row> {
  let filtered = 0;
  let nullKey = 0;
  const failed: OracleStep<Row>[] = [];
  const entities = new Map<string, OracleEvent[]>();
  for (const step of steps) {
    if (step.outcome !== 'event') continue;
    const { row, partition, offset, eventTimeUs, id } = step;
    try {
      if (!view.where(row!)) {
        filtered++;
        continue;
      }
      const key = view.key(row!);
      if (key === null) {
        nullKey++;
        continue;
      }
      // "comes after the view's", and before the input it keeps rows for.
      const inputs = view.features.map(({ input, where }) => {
        if (where !== undefined && !where(row!)) return null;
        return input === null ? true : input.of(row!);
      });
      const orders = view.features.map(({ order }) => order?.of(row!) ?? null);
      const categories = view.features.map(({ by }) => by?.of(row!) ?? null);
      const events = entities.get(key) ?? [];
      events.push({ partition, offset, eventTimeUs: eventTimeUs!, id, inputs, orders, categories });
      entities.set(key, events);
    } catch {
      failed.push(step);
    }
  }
  return { filtered, nullKey, failed, entities };
}

/** A feature's window and hop; `null`: lifetime. */
export function spanOf<Row>({ over }: OracleFeature<Row>): OracleSpan | null {
  if (over === null || 'windowUs' in over) return over;
  const windowUs = durationUs(over.window);
  const hopUs = over.hop === undefined ? defaultHopUs(windowUs) : durationUs(over.hop);
  return { windowUs, hopUs, agoUs: over.ago === undefined ? 0 : durationUs(over.ago) };
}
