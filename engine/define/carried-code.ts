import type { FieldPlan } from '../contract/field-plan.ts';
import type { DeclaredIdentity } from './declared-identity.ts';
import type { DeclaredService } from './declared-service.ts';
import type { DefinitionCode, OwnFiles } from './definition-code.ts';

/** The code of a definition as it was when it was loaded. */
export interface CarriedFiles {
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
}

/** A view's code as it was when its definitions were loaded: what a bundle of it is made of (`engine/bundles`). */
export interface CarriedCode extends CarriedFiles {
  readonly plans: readonly FieldPlan[];
  readonly declared: DeclaredIdentity;
}

/** The code of what a service derives. */
export interface CarriedService extends CarriedFiles {
  readonly declared: DeclaredService;
}
