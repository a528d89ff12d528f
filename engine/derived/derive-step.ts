import { takeImpureUse, withoutClock } from '../purity/run-traps.ts';
import { type Cell, DERIVED_FAILED, INPUT_ERROR } from '../values/cell.ts';
import { carriedValue } from '../values/composite-text.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { ResultType } from '../values/result-type.ts';
import { sensitiveHash } from '../values/sensitive-hash.ts';
import { nameOfType } from '../values/type-name.ts';
import type { DerivedFunction } from './derived-feature.ts';

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

/** Whether a value in error was read of all that a function could see. */
export interface Observation {
  readError: boolean;
}

/** One derived feature on its way: what its function sees, and what becomes of its result. */
export interface Step {
  readonly plan: DerivedPlan;
  readonly compute: (values: object, context: object) => unknown;
  readonly convert: (raw: unknown) => Cell | undefined;
  readonly values: object;
  /** What it sees now, for a log. */
  readonly told: () => Readonly<Record<string, unknown>>;
}

/** A step of a plan. */
export function stepOf(plan: DerivedPlan, values: object, told: Step['told']): Step {
  return { plan, compute: plan.compute as Step['compute'], convert: carriedValue(plan.type), values, told };
}

/** Hot path: runs steps in order, without clock and chance, and adds their cells. */
export function runSteps(
  steps: readonly Step[],
  observation: Observation,
  context: { readonly at: number },
  cells: Cell[],
  onStep: ((name: string) => void) | null,
  onFailed: ((failure: DerivedFailure) => void) | undefined,
): void {
  const failures: DerivedFailure[] = [];
  withoutClock(() => {
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index]!;
      onStep?.(step.plan.name);
      cells.push(cellOf(step, observation, context, failures));
    }
  });
  // Only now: whoever is told may look at the clock.
  if (onFailed !== undefined) for (const failure of failures) onFailed(failure);
}

function cellOf(step: Step, observed: Observation, context: { readonly at: number }, failures: DerivedFailure[]): Cell {
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
  failures.push(failureOf(step, reason, step.told(), context.at));
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
