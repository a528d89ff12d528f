import type { FitReward, LoggedDecision } from './off-policy.ts';

/** Keeps a regression of few or equal rows from running away: so many rows' worth of pull towards the action's mean. */
const PENALTY = 1;

/**
 * Learns rewards by a ridge regression per action on numbers of the context. Of an action without rows it expects the mean of all.
 *
 * @param columns of one length for every context, finite; none: it learns means
 * @example
 * offPolicyValue(decisions, rewardByAction(({ distance }) => [distance / 1000]), seed);
 */
export function rewardByAction<Context>(columns: (context: Context) => readonly number[]): FitReward<Context> {
  return (decisions) => {
    const overall = meanOf(decisions.map(({ reward }) => reward));
    const byAction = Map.groupBy(decisions, ({ action }) => action);
    const models = new Map([...byAction].map(([action, rows]) => [action, ridge(rows, columns)]));
    return (context, action) => models.get(action)?.(columns(context)) ?? overall;
  };
}

function ridge<Context>(
  rows: readonly LoggedDecision<Context>[],
  columns: (context: Context) => readonly number[],
): (values: readonly number[]) => number {
  const inputs = rows.map(({ context }) => columns(context));
  const width = inputs[0]?.length ?? 0;
  const middle = Array.from({ length: width }, (_, column) => meanOf(inputs.map((values) => values[column]!)));
  const mean = meanOf(rows.map(({ reward }) => reward));
  const scale = middle.map((at, column) => Math.sqrt(meanOf(inputs.map((values) => (values[column]! - at) ** 2))) || 1);
  const normed = (values: readonly number[]): number[] =>
    values.map((value, column) => (value - middle[column]!) / scale[column]!);
  // Normal equations of normed columns, with the penalty on the diagonal: they always have a solution.
  const matrix = Array.from({ length: width }, (_, row) =>
    Array.from({ length: width }, (_, column) => (row === column ? PENALTY : 0)),
  );
  const right = new Array<number>(width).fill(0);
  for (const [index, values] of inputs.entries()) {
    const x = normed(values);
    for (let row = 0; row < width; row++) {
      right[row]! += x[row]! * (rows[index]!.reward - mean);
      for (let column = 0; column < width; column++) matrix[row]![column]! += x[row]! * x[column]!;
    }
  }
  const slopes = solve(matrix, right);
  return (values) => normed(values).reduce((sum, x, column) => sum + x * slopes[column]!, mean);
}

/** Solves a symmetric positive definite system by elimination, in place. */
function solve(matrix: number[][], right: number[]): number[] {
  const size = right.length;
  for (let pivot = 0; pivot < size; pivot++)
    for (let row = pivot + 1; row < size; row++) {
      const factor = matrix[row]![pivot]! / matrix[pivot]![pivot]!;
      for (let column = pivot; column < size; column++) matrix[row]![column]! -= factor * matrix[pivot]![column]!;
      right[row]! -= factor * right[pivot]!;
    }
  for (let row = size - 1; row >= 0; row--) {
    for (let column = row + 1; column < size; column++) right[row]! -= matrix[row]![column]! * right[column]!;
    right[row]! /= matrix[row]![row]!;
  }
  return right;
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
