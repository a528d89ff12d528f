import type { FeatureLayout } from '../define/view-layout.ts';
import { sameCell } from '../parity/compare-values.ts';
import { type Cell, isCellError } from '../values/cell.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { ResultType } from '../values/result-type.ts';
import { nameOfType } from '../values/type-name.ts';
import type { ComparedFeature, DiffExample } from './diff-types.ts';
import { NumberSpread } from './quantiles.ts';
import { wilson } from '../statistics/wilson.ts';

const EXAMPLES = 5;

/** How far two numbers are apart: after less before, and that by the larger of both. */
export interface NumberDifference {
  readonly difference: number;
  readonly relative: number;
}

/** Counts how the cells of one feature differ. */
export class FeatureTally<Example extends DiffExample = DiffExample> {
  readonly before: number;
  readonly after: number;
  readonly spread = new NumberSpread();
  readonly #feature: FeatureLayout;
  readonly #relative = new NumberSpread();
  readonly #apart: ((before: ScalarValue, after: ScalarValue) => NumberDifference) | null;
  readonly #isOfLargest: boolean;
  readonly #examples: { readonly size: number; readonly example: Example }[] = [];
  #cells = 0;
  #differing = 0;
  #nullToValue = 0;
  #valueToNull = 0;
  #errors = 0;

  /**
   * @param feature of the newer one
   * @param before its index among the older one's features
   * @param after its index among the newer one's
   * @param examples which differing cells are told: those that come first, or the numbers that are furthest apart, before all others
   */
  constructor(
    feature: FeatureLayout,
    before: number,
    after: number,
    { examples = 'first' }: { readonly examples?: 'first' | 'largest' } = {},
  ) {
    this.#feature = feature;
    this.before = before;
    this.after = after;
    this.#isOfLargest = examples === 'largest';
    this.#apart = numberDifference(feature.result);
  }

  get name(): string {
    return this.#feature.name;
  }

  get type(): ResultType {
    return this.#feature.result;
  }

  get cells(): number {
    return this.#cells;
  }

  get differing(): number {
    return this.#differing;
  }

  /** Hot path. @param example made where it is told */
  add(before: Cell, after: Cell, example: () => Example): void {
    this.#cells++;
    if (sameCell(before, after)) return;
    this.#differing++;
    let size = -1;
    if (isCellError(before) || isCellError(after)) this.#errors++;
    else if (before === null) this.#nullToValue++;
    else if (after === null) this.#valueToNull++;
    else if (this.#apart !== null) {
      const { difference, relative } = this.#apart(before, after);
      this.spread.add(difference);
      this.#relative.add(relative);
      size = Math.abs(difference);
    }
    this.#tell(size, example);
  }

  #tell(size: number, example: () => Example): void {
    const told = this.#examples;
    const at = this.#isOfLargest ? told.findLastIndex((one) => one.size >= size) + 1 : told.length;
    if (at >= EXAMPLES) return;
    told.splice(at, 0, { size, example: example() });
    if (told.length > EXAMPLES) told.pop();
  }

  /** @param isWhole whether all entities were compared */
  result(isWhole: boolean): ComparedFeature<Example> {
    const share = this.#cells === 0 ? 0 : this.#differing / this.#cells;
    const [difference, relative] = [this.spread.quantiles(), this.#relative.quantiles()];
    return {
      feature: this.name,
      type: nameOfType(this.type),
      cells: this.#cells,
      differing: this.#differing,
      share,
      interval: isWhole ? { low: share, high: share } : wilson(this.#differing, this.#cells),
      nullToValue: this.#nullToValue,
      valueToNull: this.#valueToNull,
      errors: this.#errors,
      numbers: difference === null || relative === null ? null : { cells: this.spread.count, difference, relative },
      examples: this.#examples.map(({ example }) => example),
    };
  }
}

/** How numbers of a type are held against each other; null for types that are none. */
function numberDifference(type: ResultType): ((before: ScalarValue, after: ScalarValue) => NumberDifference) | null {
  switch (type.kind) {
    case 'int64':
      return (before, after) => apart(Number(before), Number(after), Number((after as bigint) - (before as bigint)));
    case 'int':
    case 'double':
    case 'decimal':
      return (before, after) => apart(Number(before), Number(after), Number(after) - Number(before));
    case 'string':
    case 'enum':
    case 'boolean':
    case 'timestamp':
    case 'date':
    case 'list':
    case 'map':
      return null;
  }
}

function apart(before: number, after: number, exact: number): NumberDifference {
  const larger = Math.max(Math.abs(before), Math.abs(after));
  // Two doubles may be further apart than any double.
  const difference = Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, exact));
  return { difference, relative: larger === 0 ? 0 : after / larger - before / larger };
}
