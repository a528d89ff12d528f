import type { FieldPlan } from '../contract/field-plan.ts';
import type { DeclaredIdentity } from './declared-identity.ts';
import type { DefinitionCode, OwnFiles } from './definition-code.ts';

/** A view's code as it was when its definitions were loaded: what a bundle of it is made of (`engine/bundles`). */
export interface CarriedCode {
  /** Absolute. */
  readonly entry: { readonly file: string; readonly exportName: string };
  /** The folder of definitions. Absolute. */
  readonly folder: string;
  /** What history paths are relative to. Absolute. */
  readonly baseFolder: string;
  /** Of all definitions that were loaded with it. */
  readonly files: OwnFiles;
  readonly globalsChanged: boolean;
  readonly code: DefinitionCode;
  readonly plans: readonly FieldPlan[];
  readonly declared: DeclaredIdentity;
}
