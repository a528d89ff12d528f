import { underTraps } from '../purity/purity-traps.ts';
import { sampleRows } from '../purity/sample-values.ts';
import type { LabelSources } from './compile-label-set.ts';
import type { CompiledLabelSet } from './compiled-label-set.ts';
import type { Row } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import type { LabelScalar, AnyLabelSet } from './label-set.ts';
import { type ProbedFunction, probeFunction } from './probe-purity.ts';
import { canonical, shorten } from './row-results.ts';

/** A decision and an outcome, as the function that makes a label of them is probed. */
interface SampledPair extends Row {
  readonly decision: Row;
  readonly outcome: Row;
}

/** So many values are given to a `reduce` of the user's. */
const REDUCED = [1, 2, 7];

/** Runs the functions of a label set on valid rows, twice, under traps, and reports what is impure, fails, or gives what no label can be. */
export function probeLabelSet(
  { options }: AnyLabelSet,
  labels: CompiledLabelSet,
  sources: LabelSources,
  report: ReportFault,
): void {
  const decisions = sampleRows(sources.decisions.plans);
  const outcomes = sampleRows(sources.outcomes.plans);
  const certain = [...decisions.unknown, ...outcomes.unknown].length === 0;
  const pairs = pairsOf(decisions.rows, outcomes.rows);
  const ofPair = (read: (decision: Row, outcome: Row) => unknown) => (row: Row) =>
    read((row as SampledPair).decision, (row as SampledPair).outcome);
  underTraps((traps) => {
    const probe = (path: string, call: unknown, read: ProbedFunction['read'], rows: readonly Row[]): boolean =>
      typeof call === 'function' &&
      probeFunction({ path, call: call as ProbedFunction['call'], read, under: null }, rows, traps, report, certain);
    probe('on.decision', options.on?.decision, labels.decisionKey, decisions.rows);
    probe('on.outcome', options.on?.outcome, labels.outcomeKey, outcomes.rows);
    const value = options.value;
    if (typeof value !== 'function') return;
    const read: ProbedFunction['read'] = ({ decision, outcome }, reasons) =>
      labels.value(decision as Row, outcome as Row, reasons);
    if (!probe('value', ofPair(value as (d: Row, o: Row) => unknown), read, pairs)) return;
    const values = pairs.flatMap(({ decision, outcome }) => {
      const given = labels.value(structuredClone(decision), structuredClone(outcome), []);
      return given === null ? [] : [given];
    });
    traps.take();
    if (labels.reduce === 'sum') tellSum(values, report);
    if (typeof options.reduce !== 'function' || values.length === 0) return;
    const samples = REDUCED.map((length) => ({
      values: Array.from({ length }, (_, index) => values[index % values.length]!),
    }));
    const reduce = options.reduce as (values: readonly LabelScalar[]) => unknown;
    probe('reduce', (row: Row) => reduce(row['values'] as LabelScalar[]), reduceReader(reduce), samples);
  });
}

/** Every row of either side at least once, with others of the other. */
function pairsOf(decisions: readonly Row[], outcomes: readonly Row[]): SampledPair[] {
  return Array.from({ length: 2 * Math.max(decisions.length, outcomes.length) }, (_, index) => ({
    decision: decisions[index % decisions.length]!,
    outcome: outcomes[(index * 7 + Math.floor(index / outcomes.length)) % outcomes.length]!,
  }));
}

function tellSum(values: readonly LabelScalar[], report: ReportFault): void {
  const other = values.find((value) => typeof value !== 'number');
  if (other === undefined) return;
  report(
    'invalid-label-rule',
    'reduce',
    `'sum' adds numbers, and \`value\` gives ${shorten(canonical(other))}`,
    "Let `value` give a number, or take the 'first' or the 'last'.",
  );
}

function reduceReader(reduce: (values: readonly LabelScalar[]) => unknown): ProbedFunction['read'] {
  return (row, reasons) => {
    let given: unknown;
    try {
      given = reduce(row['values'] as LabelScalar[]);
    } catch (cause) {
      reasons.push(`reduce: the function threw ${String(cause)}`);
      return null;
    }
    if (given !== null && typeof given !== 'string' && typeof given !== 'boolean' && typeof given !== 'number')
      reasons.push(`reduce: expected a number, a text, a boolean or null, received ${typeof given}`);
    return given;
  };
}
