/** How features become the inputs of a model: in training, of the columns of a training set; in the service, of what was read. */

/** Features that are names rather than numbers: each of their values is an input. */
const CATEGORIES = {
  hour: Array.from({ length: 24 }, (_, hour) => hour),
  weekday: Array.from({ length: 7 }, (_, day) => day),
};
/** So many deviations from the mean are far enough. */
const FARTHEST = 4;

/**
 * @typedef {{ block: string, feature: string, column: string }} Column of a training set, and where a service's read has the same
 * @typedef {Column & ({ values: number[] } | { mean: number, deviation: number })} Input
 */

/**
 * The features of a training set, in the order of its manifest.
 *
 * @param {{ views: object[], derived?: object, service: string | { name: string } }} manifest
 * @returns {Column[]}
 */
export function columnsOf({ views, derived, service }) {
  const own = typeof service === 'string' ? service : service.name;
  const parts = [
    ...views.map(({ view, role, features }) => ({ block: role ?? view, features })),
    ...(derived === undefined ? [] : [{ block: own, features: derived.features }]),
  ];
  return parts.flatMap(({ block, features }) => features.map(({ name, column }) => ({ block, feature: name, column })));
}

/**
 * How each column is put, by what its values are like.
 *
 * @param {Column[]} columns
 * @param {(column: Column) => Float64Array} valuesOf NaN where there is none
 * @returns {Input[]}
 */
export function fitInputs(columns, valuesOf) {
  return columns.map((column) => {
    const values = CATEGORIES[column.feature];
    if (values !== undefined) return { ...column, values };
    let [rows, sum, squares] = [0, 0, 0];
    for (const value of valuesOf(column)) {
      if (Number.isNaN(value)) continue;
      rows += 1;
      sum += value;
      squares += value * value;
    }
    const mean = rows === 0 ? 0 : sum / rows;
    const variance = rows === 0 ? 0 : squares / rows - mean * mean;
    return { ...column, mean, deviation: variance > 0 ? Math.sqrt(variance) : 1 };
  });
}

/** @param {Input[]} inputs */
export function widthOf(inputs) {
  return inputs.reduce((width, input) => width + (input.values?.length ?? 1), 0);
}

/**
 * Puts one row into `into`, from `at` on. What is missing is as the mean, and of no category.
 *
 * @param {Input[]} inputs
 * @param {(input: Input, index: number) => number} valueOf NaN where there is none
 * @param {Float32Array} into
 * @param {number} at
 */
export function putRow(inputs, valueOf, into, at) {
  let next = at;
  for (const [index, input] of inputs.entries()) {
    const value = valueOf(input, index);
    if (input.values !== undefined) {
      const place = input.values.indexOf(value);
      if (place >= 0) into[next + place] = 1;
      next += input.values.length;
    } else {
      const far = Number.isNaN(value) ? 0 : (value - input.mean) / input.deviation;
      into[next++] = Math.max(-FARTHEST, Math.min(FARTHEST, far));
    }
  }
}
