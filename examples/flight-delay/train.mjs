/**
 * Trains a model of how likely a flight is late on training sets of `millrace export`.
 *
 *     node train.mjs --out late.json --metrics metrics.json [--hidden 16] [--label late] [--test may.parquet] january-to-april.parquet …
 *
 * Where `trainModel` runs it, training set, manifest, model and metrics are named by MILLRACE_TRAINING_SET, MILLRACE_MANIFEST, MILLRACE_MODEL_OUT and
 * MILLRACE_METRICS_OUT. The same sets give the same file, byte for byte.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { fitInputs, putRow, widthOf } from './inputs.mjs';
import { fit, newNetwork, predict, saved } from './network.mjs';
import { readTrainingSet } from './training-set.mjs';

const { env } = process;
const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: env.MILLRACE_MODEL_OUT },
    metrics: { type: 'string', default: env.MILLRACE_METRICS_OUT },
    label: { type: 'string', default: 'late' },
    test: { type: 'string' },
    hidden: { type: 'string', default: '0' },
    epochs: { type: 'string', default: '4' },
    seed: { type: 'string', default: '7' },
    /** The model knows each feature by another's name: to see that a broken one is caught. */
    shuffled: { type: 'boolean', default: false },
  },
});
const paths = positionals.length > 0 ? positionals : [env.MILLRACE_TRAINING_SET].filter((path) => path !== undefined);
if (paths.length === 0 || given.out === undefined)
  throw new Error('a training set and --out are needed: node train.mjs --out late.json training.parquet');

/** Reads a set; where its label has another name, `FILE:COLUMN` says so. */
async function read(path) {
  const [, file, label] = /^(.*?)(?::([\w.]+))?$/.exec(path);
  const manifest = path === env.MILLRACE_TRAINING_SET ? env.MILLRACE_MANIFEST : undefined;
  return await readTrainingSet(file, label ?? given.label, { manifest });
}

/** Random numbers by their seed: xorshift32. */
function randomNumbers(seed) {
  let state = (seed >>> 0) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** 0 to n - 1 in a random order. */
function shuffledOrder(n, random) {
  const order = Uint32Array.from({ length: n }, (_, at) => at);
  for (let at = n - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [order[at], order[other]] = [order[other], order[at]];
  }
  return order;
}

/** Rows and labels of sets, one behind the other, in `order`. */
function matrixOf(sets, inputs, order) {
  const width = widthOf(inputs);
  const places = sets.flatMap((set) => Array.from({ length: set.rows }, (_, row) => ({ set, row })));
  const rows = new Float32Array(places.length * width);
  const labels = new Float32Array(places.length);
  const columns = new Map(sets.map((set) => [set, inputs.map((input) => set.valuesOf(input))]));
  for (let n = 0; n < places.length; n++) {
    const { set, row } = places[order?.[n] ?? n];
    const values = columns.get(set);
    putRow(inputs, (_, index) => values[index][row], rows, n * width);
    labels[n] = set.labels[row];
  }
  return { rows, labels };
}

function logLoss(labels, probabilityOf) {
  let sum = 0;
  for (const [n, label] of labels.entries()) sum -= Math.log(label === 1 ? probabilityOf(n) : 1 - probabilityOf(n));
  return sum / labels.length;
}

const sets = await Promise.all(paths.map(read));
const [{ columns }] = sets;
for (const set of sets) {
  if (JSON.stringify(set.columns) !== JSON.stringify(columns)) throw new Error('the training sets have other features');
}
const random = randomNumbers(Number(given.seed));
const valuesOf = (column) => {
  const all = new Float64Array(sets.reduce((rows, set) => rows + set.rows, 0));
  let at = 0;
  for (const set of sets) {
    all.set(set.valuesOf(column), at);
    at += set.rows;
  }
  return all;
};
const inputs = fitInputs(columns, valuesOf);
const total = sets.reduce((rows, set) => rows + set.rows, 0);
const { rows, labels } = matrixOf(sets, inputs, shuffledOrder(total, random));
process.stdout.write(`${total} rows, ${columns.length} features, ${widthOf(inputs)} inputs\n`);
const network = newNetwork(widthOf(inputs), Number(given.hidden), Number(given.seed));
await fit(network, rows, labels, { epochs: Number(given.epochs), batch: 1024, rate: 0.005 });

const base = labels.reduce((sum, label) => sum + label, 0) / labels.length;
const test = given.test === undefined ? { rows, labels } : matrixOf([await read(given.test)], inputs);
const likely = predict(network, test.rows, test.labels.length);
const metrics = {
  logLoss: logLoss(test.labels, (n) => Math.min(1 - 1e-7, Math.max(1e-7, likely[n]))),
  logLossBase: logLoss(test.labels, () => base),
  baseRate: base,
  rows: test.labels.length,
};

const numbers = inputs.filter(({ values }) => values === undefined);
const swapped = new Map(
  numbers.map((input, n) => [input, numbers[(n + Math.floor(numbers.length / 2)) % numbers.length]]),
);
const named = given.shuffled
  ? inputs.map((input) => {
      const { block, feature } = swapped.get(input) ?? input;
      return { ...input, block, feature };
    })
  : inputs;
await writeFile(given.out, JSON.stringify({ inputs: named, network: await saved(network) }));
if (given.metrics !== undefined) await writeFile(given.metrics, JSON.stringify(metrics));
process.stdout.write(`${JSON.stringify(metrics)}\n`);
