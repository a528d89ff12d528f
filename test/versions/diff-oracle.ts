/** How two definitions differ over a log, the naive way: every entity's values by the oracle, compared one by one. */
import { keyHash } from '../../engine/training/hash-range.ts';
import type { OracleValue } from '../oracle/exact.ts';
import { trainingValues } from '../oracle/read.ts';
import type { OracleStep } from '../oracle/source-log.ts';
import { type OracleView, type OracleViewLog, oracleView } from '../oracle/view.ts';
import type { Visit } from '../oracle/visits.ts';

export interface OracleDiffSide {
  readonly view: OracleView<Visit>;
  readonly steps: readonly OracleStep<Visit>[];
  /** Of each feature, in the order of the view's. */
  readonly types: readonly string[];
}

export interface OracleFeatureDiff {
  readonly feature: string;
  readonly cells: number;
  readonly differing: number;
  readonly nullToValue: number;
  readonly valueToNull: number;
  readonly errors: number;
  /** After less before, of numbers that differ, in the order of the entities' hashes. */
  readonly differences: readonly number[];
}

export interface OracleDiff {
  readonly atUs: number | null;
  readonly entities: readonly string[];
  readonly all: number;
  readonly features: readonly OracleFeatureDiff[];
}

export function oracleDiff(
  before: OracleDiffSide,
  after: OracleDiffSide,
  most: number,
  given: number | null,
): OracleDiff {
  const until = given ?? Number.POSITIVE_INFINITY;
  const logs = [before, after].map(({ view, steps }) =>
    oracleView(
      view,
      steps.filter(({ eventTimeUs }) => eventTimeUs === null || eventTimeUs < until),
    ),
  );
  const times = logs.flatMap(({ entities }) => [...entities.values()].flat()).map(({ eventTimeUs }) => eventTimeUs);
  const atUs = given ?? (times.length === 0 ? null : Math.max(...times) + 1);
  const names = [...new Set(logs.flatMap(({ entities }) => [...entities.keys()]))].sort(
    (a, b) => keyHash(a) - keyHash(b) || (a < b ? -1 : 1),
  );
  const entities = names.slice(0, most);
  const features = after.view.features.flatMap(({ name }, index) => {
    const former = before.view.features.findIndex((other) => other.name === name);
    if (former < 0 || before.types[former] !== after.types[index]) return [];
    const pairs = entities.map(
      (entity) =>
        [valueOf(before, logs[0]!, entity, atUs!, former), valueOf(after, logs[1]!, entity, atUs!, index)] as const,
    );
    const differing = pairs.filter(([a, b]) => !Object.is(a, b));
    const errors = differing.filter((pair) => pair.some((value) => typeof value === 'symbol'));
    const sound = differing.filter((pair) => !errors.includes(pair));
    const isNumber = after.types[index] !== 'string';
    return [
      {
        feature: name,
        cells: pairs.length,
        differing: differing.length,
        nullToValue: sound.filter(([a]) => a === null).length,
        valueToNull: sound.filter(([, b]) => b === null).length,
        errors: errors.length,
        differences: isNumber
          ? sound.filter(([a, b]) => a !== null && b !== null).map(([a, b]) => Number(b) - Number(a))
          : [],
      },
    ];
  });
  return { atUs, entities, all: names.length, features };
}

function valueOf(
  { view }: OracleDiffSide,
  { entities }: OracleViewLog<Visit>,
  entity: string,
  atUs: number,
  index: number,
): OracleValue {
  return trainingValues(view, entities.get(entity) ?? [], atUs)[index]!;
}
