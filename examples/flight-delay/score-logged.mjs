/**
 * Says what a model would have done in the place of decisions that others took: for `millrace evaluate --policy`.
 *
 *     npx millrace export --labels late --service flight_delay --from 2001-06-12 --to 2001-06-20 --out decided.parquet
 *     node score-logged.mjs --model late.json --policy policy.csv decided.parquet
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { lateModel } from './late-model.mjs';
import { propensities } from './policy.mjs';
import { readTrainingSet } from './training-set.mjs';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string' }, policy: { type: 'string' } },
});
const [path] = positionals;
if (path === undefined || given.model === undefined || given.policy === undefined)
  throw new Error('node score-logged.mjs --model late.json --policy policy.csv decided.parquet');

const model = await lateModel(await readFile(given.model));
const set = await readTrainingSet(path, 'label', { ids: 'decision_id' });
const reads = Array.from({ length: set.rows }, (_, row) => {
  const read = {};
  for (const column of set.columns) {
    read[column.block] ??= { values: {} };
    read[column.block].values[column.feature] = set.valuesOf(column)[row];
  }
  return read;
});
const probabilities = model.probabilities(reads);
const lines = ['decision_id,action,propensity'];
for (const [row, id] of set.ids.entries())
  for (const [action, propensity] of Object.entries(propensities(probabilities[row])))
    lines.push(`${id},${action},${propensity}`);
await writeFile(given.policy, `${lines.join('\n')}\n`);
process.stdout.write(`${set.rows} decisions\n`);
