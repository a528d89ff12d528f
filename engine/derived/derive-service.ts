import type { Cell } from '../values/cell.ts';
import { openedValue } from '../values/composite-text.ts';
import { type DerivedFailure, type DerivedPlan, type Observation, runSteps, type Step, stepOf } from './derive-step.ts';
import { ObservedValues, type SeenValue } from './observed-values.ts';

/** What the derived features of a service see of one of its views or roles. */
export interface SeenBlock {
  readonly name: string;
  /** What stands in the cells of a read of it, in their order. */
  readonly values: readonly SeenValue[];
}

/** What only the caller of a service knows, by field. */
export type RequestValues = Readonly<Record<string, unknown>>;

/**
 * The cells of a service's derived features. Never throws: a failure is the cell of its feature, and `onFailed` is told. Not to be called from within itself.
 *
 * @param blocks the cells of each block, in the service's order
 */
export type DeriveService = (
  blocks: readonly (readonly Cell[])[],
  request: RequestValues,
  atUs: number,
  onFailed?: (failure: DerivedFailure) => void,
) => Cell[];

/**
 * Makes what computes the derived features of a service: over its blocks by name and, under the service's own name, what its blocks before derived.
 *
 * @example
 * const derive = createServiceDerive('delay_model', [{ name: 'from', values }, { name: 'to', values }], plans);
 * const cells = derive([from, to], { seats: 180 }, atUs);
 */
export function createServiceDerive(
  service: string,
  blocks: readonly SeenBlock[],
  plans: readonly DerivedPlan[],
): DeriveService {
  const observation: Observation = { readError: false };
  const observed = blocks.map(({ values }) => new ObservedValues(values, observation, null));
  const own = new ObservedValues(
    plans.map(({ name, type }): SeenValue => ({ name, open: openedValue(type) })),
    observation,
    null,
  );
  const seenBlocks = blocks.map(({ name, values }, index) => [name, observed[index]!.object(values.length)] as const);
  const objects = new Map<number, { readonly values: object; readonly before: number }>();
  let request: RequestValues = {};
  const steps = plans.map((plan, index): Step => {
    // The first of its block sees all before it, and so do the others of it.
    let found = objects.get(plan.block);
    if (found === undefined) {
      const all = index === 0 ? seenBlocks : [...seenBlocks, [service, own.object(index)] as const];
      found = {
        values: Object.freeze(Object.assign(Object.create(null) as object, Object.fromEntries(all))),
        before: index,
      };
      objects.set(plan.block, found);
    }
    const { before } = found;
    return stepOf(plan, found.values, () => ({
      ...Object.fromEntries(blocks.map(({ name, values }, at) => [name, observed[at]!.told(values.length)])),
      ...(before === 0 ? {} : { [service]: own.told(before) }),
      request,
    }));
  });
  return (read, given, atUs, onFailed) => {
    for (let index = 0; index < observed.length; index++) observed[index]!.see(read[index]!);
    const cells: Cell[] = [];
    own.see(cells);
    request = given;
    runSteps(steps, observation, Object.freeze({ request: given, at: atUs }), cells, null, onFailed);
    return cells;
  };
}
