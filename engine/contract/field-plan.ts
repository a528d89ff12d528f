import type { FieldSpec } from '../values/field-type.ts';
import type { Spelling } from '../values/spelling.ts';

/** One thing wrong with a contract: where in it, what, and what to do. */
export interface ContractFault {
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** A field made ready for decoding: its type, the checks declared on it, and how a refusal words them. */
export interface FieldPlan {
  readonly spec: FieldSpec;
  /** The declared checks on a decoded, non-null value; null where there are none. */
  readonly accepts: ((value: never) => boolean) | null;
  /** "an integer from -1440 to 2880", as refusals say it. */
  readonly expected: string;
  /** Canonical text of every check, for the fingerprint. */
  readonly rules: readonly string[];
  /** How its values are spelled, where its type does not say. */
  readonly spelling: Spelling;
  /** Of an array. */
  readonly item: FieldPlan | null;
  /** Of an object. */
  readonly members: readonly FieldPlan[];
}
