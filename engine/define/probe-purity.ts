import type { FieldPlan } from '../contract/field-plan.ts';
import type { FunctionInput, KeyPlan } from './compile-view.ts';
import type { Row } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import type { FeatureView } from './feature-view.ts';
import { describeThrown, functionReader, keyReader, whereReader } from './prepare.ts';
import { type Traps, underTraps } from '../purity/purity-traps.ts';
import { sampleRows } from '../purity/sample-values.ts';
import { canonical, resultText, rowSubjects, type RowSubject, shorten } from './row-results.ts';

/** A row function under test. `read` is the one the engine runs, so that a probe refuses exactly what a record would die of. */
export interface ProbedFunction extends RowSubject {
  readonly read: (row: Row, reasons: string[]) => unknown;
  /** It runs on the rows alone that this is true of. */
  readonly under: ((row: Row, reasons: string[]) => boolean) | null;
}

const pureRemedy = 'A row function may use its row and constants only: the same row must give the same value, always.';

/** Runs every row function of a view on valid rows, twice, under traps, and reports what is impure or fails. */
export function probePurity(
  view: FeatureView,
  keys: readonly KeyPlan[],
  functions: readonly FunctionInput[],
  plans: readonly FieldPlan[],
  report: ReportFault,
): void {
  const { rows, unknown } = sampleRows(plans);
  const readers = readersOf(view, keys, functions);
  const subjects = rowSubjects(view, keys, functions).map((subject): ProbedFunction => {
    const under = functions.find(({ path }) => path === subject.path)?.under ?? null;
    return {
      ...subject,
      read: readers.get(subject.path) as ProbedFunction['read'],
      under: under === null ? null : whereReader(under, ''),
    };
  });
  const where = subjects.find(({ path }) => path === 'where') ?? null;
  // Where a field has no known valid value, rows are guesses: then only impurity counts, not failure.
  const certain = unknown.length === 0;
  underTraps((traps) => {
    const kept =
      where === null || !probeFunction(where, rows, traps, report, certain)
        ? rows
        : rows.filter((row) => where.read(row, []) === true);
    traps.take();
    for (const each of subjects) {
      if (each === where) continue;
      const own = each.under === null ? kept : kept.filter((row) => each.under?.(structuredClone(row), []) === true);
      traps.take();
      const known = own.length > 0 ? own : kept.length > 0 ? kept : rows;
      probeFunction(each, known, traps, report, certain && own.length > 0);
    }
  });
}

/** What the engine reads by, by path. */
function readersOf(
  view: FeatureView,
  keys: readonly KeyPlan[],
  functions: readonly FunctionInput[],
): ReadonlyMap<string, ProbedFunction['read']> {
  const readers = new Map<string, ProbedFunction['read']>();
  if (typeof view.where === 'function') readers.set('where', whereReader(view.where, 'where'));
  if (typeof view.key === 'function') readers.set('key', keyReader(keys, view.key));
  for (const { path, from, type } of functions)
    readers.set(path, type === null ? whereReader(from, '') : functionReader('', from, type));
  return readers;
}

/**
 * Reports the first thing wrong with a row function; true where there is none.
 *
 * @param certain whether the rows are valid for sure: what fails on another is no fault
 */
export function probeFunction(
  each: ProbedFunction,
  rows: readonly Row[],
  traps: Traps,
  report: ReportFault,
  certain: boolean,
): boolean {
  traps.take();
  const impure = (what: string, remedy = pureRemedy): false => {
    report('impure-function', each.path, `the row function is impure: ${what}`, remedy);
    return false;
  };
  const first: string[] = [];
  for (const row of rows) {
    const frozen = deepFreeze(structuredClone(row));
    let result: unknown;
    let thrown: string | null = null;
    try {
      result = each.call(frozen);
    } catch (cause) {
      thrown = describeThrown(cause);
    }
    const [touched] = traps.take();
    if (touched !== undefined) return impure(`it uses ${touched.label}`, touched.remedy);
    if (thrown !== null && /read only|not extensible|Cannot (?:delete|define|add)/.test(thrown)) {
      return impure(`it changes its input (${thrown})`);
    }
    first.push(thrown === null ? canonical(result) : 'threw');
  }
  // The second pass runs backwards, on rows that can be changed: it finds what depends on earlier calls, and mutation that fails silently.
  for (let index = rows.length - 1; index >= 0; index -= 1) {
    const row = structuredClone(rows[index] as Row);
    if (resultText(each.call, row) !== first[index]) return impure('the same row gave two different results');
    if (canonical(row) !== canonical(rows[index])) return impure('it changes its input');
  }
  traps.take();
  return !certain || probeFailures(each, rows, traps, report);
}

function probeFailures(each: ProbedFunction, rows: readonly Row[], traps: Traps, report: ReportFault): boolean {
  for (const row of rows) {
    const reasons: string[] = [];
    each.read(row, reasons);
    traps.take();
    const reason = reasons[0];
    // Not a number and infinity come of extreme values: such a record dies alone, it does not condemn the function.
    if (reason === undefined || /received (?:NaN|-?Infinity)$/.test(reason)) continue;
    report(
      'failing-function',
      each.path,
      `${reason.replace(/^[\w.]*: /, '')}, on the valid row ${shorten(canonical(row))}`,
      'Make it work for every row the contract allows, nulls included, or tighten the contract or `where`.',
    );
    return false;
  }
  return true;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
