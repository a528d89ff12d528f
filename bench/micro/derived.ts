/** What derived features add to a read, per read of an entity: `node bench/micro/derived.ts`. */
import { createDerive } from '../../engine/derived/derive.ts';
import type { DerivedPlan } from '../../engine/derived/derive-step.ts';
import { type Cell, VALUE_OUT_OF_RANGE } from '../../engine/values/cell.ts';

const READS = 300_000;
const AT_US = 1_700_000_000_000_000;

type Compute = (v: Readonly<Record<string, number>>, context: { readonly at: number }) => unknown;

const seen = Array.from({ length: 12 }, (_, index) => ({ name: `f${index}`, open: (cell: unknown) => cell }));
const plan = (name: string, compute: Compute, block = 0): DerivedPlan => ({
  name,
  type: { kind: 'double' },
  compute,
  block,
});
const ratio = (name: string, block = 0): DerivedPlan => plan(name, (v) => v['f0']! / (v['f1']! + 1), block);

const cases: readonly (readonly [what: string, plans: readonly DerivedPlan[], cell: Cell])[] = [
  ['none', [], 1.5],
  ['one, of two features', [ratio('a')], 1.5],
  ['four, of two features each', ['a', 'b', 'c', 'd'].map((name) => ratio(name)), 1.5],
  ['four, in two blocks', ['a', 'b', 'c', 'd'].map((name, index) => ratio(name, index >> 1)), 1.5],
  ['one, of a date of the time', [plan('a', (_, { at }) => new Date(at / 1000).getUTCHours())], 1.5],
  ['one, of all twelve', [plan('a', (v) => Object.values(v).reduce((sum, value) => sum + value, 0))], 1.5],
  ['one, of values in error', [ratio('a')], VALUE_OUT_OF_RANGE],
];

for (const [what, plans, cell] of cases) {
  const derive = createDerive(seen, plans);
  const stored = seen.map(() => cell);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const from = performance.now();
    for (let read = 0; read < READS; read++) derive([...stored], AT_US + read);
    best = Math.min(best, ((performance.now() - from) * 1e6) / READS);
  }
  console.log(`${what.padEnd(30)}${best.toFixed(0)} ns`);
}
