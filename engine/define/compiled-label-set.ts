import type { FieldSpec } from '../values/field-type.ts';
import type { CompiledSource, Row } from './compiled-view.ts';
import type { LabelScalar } from './label-set.ts';

/** Reads something of a row by a function of the user's; pushes a reason, and gives null, where that fails. */
export type LabelReader<Value> = (row: Row, reasons: string[]) => Value | null;

/** A label set made ready to run. It is a `LabelRule` itself. */
export interface CompiledLabelSet {
  readonly name: string;
  /** Stands for all that decides its labels: its code, its rule, both contracts. */
  readonly tag: string;
  readonly decisions: CompiledSource;
  /** The fields of the decisions' context. */
  readonly context: readonly FieldSpec[];
  readonly outcomes: CompiledSource;
  /** Whether outcomes name the decision; else both sides are joined by a key, and an outcome that happened before a decision came of another. */
  readonly isByDecision: boolean;
  /** What a decision is joined by; of a shadow, by decision, that of the one it shadows. Null: by nothing. */
  readonly decisionKey: LabelReader<string>;
  readonly outcomeKey: LabelReader<string>;
  /** What an outcome says of a decision; null: nothing. Pushes a reason, and gives null, where the function fails. */
  readonly value: (decision: Row, outcome: Row, reasons: string[]) => LabelScalar | null;
  readonly matureAfterUs: number;
  /** A function of the user's throws `invalid-label` where it fails. */
  readonly reduce: 'first' | 'last' | 'sum' | ((values: readonly LabelScalar[]) => LabelScalar | null);
  readonly absent: 0 | null | 'leave-out';
  /** How long after a decision an outcome may happen to be paired with it. */
  readonly horizonUs: number;
  /** The outcomes' field with the time since when one could be known; null: there is none. */
  readonly knownAtField: string | null;
}
