import { takeImpureUse, withoutClock } from '../purity/run-traps.ts';
import { type Cell, DERIVED_FAILED, INPUT_ERROR } from '../values/cell.ts';
import { describeReceived } from '../values/describe-received.ts';
import { carriedValue, openedValue } from '../values/composite-text.ts';
import type { ResultType } from '../values/result-type.ts';
import { sensitiveHash } from '../values/sensitive-hash.ts';
import { nameOfType } from '../values/type-name.ts';
import type { DerivedFunction } from './derived-feature.ts';
import { ObservedValues, type SeenValue } from './observed-values.ts';

/** A derived feature, judged: what it is of, and what it sees. */
export interface DerivedPlan {
  readonly name: string;
  readonly type: ResultType;
  readonly compute: DerivedFunction;
  /** Which of the blocks it is of, from 0: it sees what stands before that. */
  readonly block: number;
  /** Whether what it sees may tell of sensitive fields: it is hashed where it is logged. Default false. */
  readonly hushed?: true | undefined;
}

/** A derived feature that failed: its function threw, gave something else than its kind, or asked for what it may not. */
export interface DerivedFailure {
  readonly feature: string;
  readonly reason: string;
  /** What the function could see, by name; of a value in error its code. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** The time of the read, UTC epoch µs. */
  readonly atUs: number;
}

/**
 * Adds the cells of derived features to those of what they are made of, in order. Never throws: a failure is the cell of its feature, and
 * `onFailed` is told. Not to be called from within itself.
 */
export type Derive = (cells: Cell[], atUs: number, onFailed?: (failure: DerivedFailure) => void) => void;

interface Step {
  readonly plan: DerivedPlan;
  readonly compute: (values: object, context: object) => unknown;
  readonly convert: (raw: unknown) => Cell | undefined;
  readonly values: object;
  /** How many values it sees. */
  readonly seen: number;
}

/**
 * Makes what computes the derived features of a view.
 *
 * @param stored what stands in the first cells of a read
 * @param plans in order, block by block
 * @param onRead told of each value that the function of a feature reads, by their names: for who has to say what a value is made of
 * @example
 * const derive = createDerive([{ name: 'n', open: (cell) => cell }], plans);
 * derive(cells, atUs);
 */
export function createDerive(
  stored: readonly SeenValue[],
  plans: readonly DerivedPlan[],
  onRead?: (feature: string, name: string) => void,
): Derive {
  const own = plans.map(({ name, type }): SeenValue => ({ name, open: openedValue(type) }));
  let running = '';
  const observed = new ObservedValues([...stored, ...own], onRead ? (name) => onRead(running, name) : null);
  const objects = new Map<number, { readonly values: object; readonly seen: number }>();
  const steps = plans.map((plan, index): Step => {
    // The first of its block sees all before it, and so do the others of it.
    const found = objects.get(plan.block) ?? {
      values: observed.object(stored.length + index),
      seen: stored.length + index,
    };
    objects.set(plan.block, found);
    const compute = plan.compute as Step['compute'];
    return { plan, compute, convert: carriedValue(plan.type), ...found };
  });
  return (cells, atUs, onFailed) => {
    observed.see(cells);
    const context = Object.freeze({ at: atUs });
    const failures: DerivedFailure[] = [];
    withoutClock(() => {
      for (let index = 0; index < steps.length; index++) {
        const step = steps[index]!;
        running = step.plan.name;
        cells.push(cellOf(step, observed, context, failures));
      }
    });
    // Only now: whoever is told may look at the clock.
    if (onFailed !== undefined) for (const failure of failures) onFailed(failure);
  };
}

function cellOf(
  step: Step,
  observed: ObservedValues,
  context: { readonly at: number },
  failures: DerivedFailure[],
): Cell {
  observed.readError = false;
  let reason: string;
  try {
    const raw = step.compute(step.values, context);
    const value = step.convert(raw);
    const used = takeImpureUse();
    if (observed.readError) return INPUT_ERROR;
    if (used === null && value !== undefined) return value;
    reason =
      used === null
        ? `expected ${nameOfType(step.plan.type)} or null from the function, received ${describeReceived(raw)}`
        : `the function uses ${used}`;
    if (raw instanceof Promise) raw.catch(() => undefined);
  } catch (cause) {
    const used = takeImpureUse();
    if (observed.readError) return INPUT_ERROR;
    reason =
      used !== null
        ? `the function uses ${used}`
        : `the function threw ${cause instanceof Error ? `${cause.name}: ${cause.message}` : describeReceived(cause)}`;
  }
  failures.push(failureOf(step, reason, observed.told(step.seen), context.at));
  return DERIVED_FAILED;
}

function failureOf(
  { plan }: Step,
  reason: string,
  inputs: Readonly<Record<string, unknown>>,
  atUs: number,
): DerivedFailure {
  const { name: feature, hushed } = plan;
  if (hushed === undefined) return { feature, reason, inputs, atUs };
  const hashed = Object.entries(inputs).map(([name, value]) => [name, value === null ? null : sensitiveHash(value)]);
  return { feature, reason: sensitiveHash(reason), inputs: Object.fromEntries(hashed), atUs };
}
