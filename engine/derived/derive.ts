import type { Cell } from '../values/cell.ts';
import { openedValue } from '../values/composite-text.ts';
import { type DerivedFailure, type DerivedPlan, type Observation, runSteps, type Step, stepOf } from './derive-step.ts';
import { ObservedValues, type SeenValue } from './observed-values.ts';

/**
 * Adds the cells of derived features to those of what they are made of, in order. Never throws: a failure is the cell of its feature, and
 * `onFailed` is told. Not to be called from within itself.
 */
export type Derive = (cells: Cell[], atUs: number, onFailed?: (failure: DerivedFailure) => void) => void;

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
  const noteStep = onRead === undefined ? null : (name: string): unknown => (running = name);
  const observation: Observation = { readError: false };
  const observed = new ObservedValues(
    [...stored, ...own],
    observation,
    onRead ? (name) => onRead(running, name) : null,
  );
  const objects = new Map<number, { readonly values: object; readonly seen: number }>();
  const steps = plans.map((plan, index): Step => {
    // The first of its block sees all before it, and so do the others of it.
    const found = objects.get(plan.block) ?? {
      values: observed.object(stored.length + index),
      seen: stored.length + index,
    };
    objects.set(plan.block, found);
    return stepOf(plan, found.values, () => observed.told(found.seen));
  });
  return (cells, atUs, onFailed) => {
    observed.see(cells);
    const context = Object.freeze({ at: atUs });
    runSteps(steps, observation, context, cells, noteStep, onFailed);
  };
}
