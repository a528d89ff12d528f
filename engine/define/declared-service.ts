import type { DerivedPlan } from '../derived/derive-step.ts';
import { type StoredField, storedField } from '../contract/stored-field.ts';
import type { CompiledService } from './compiled-view.ts';
import { columnsByKey } from './service-blocks.ts';
import type { ViewLayout } from './view-layout.ts';

/** What a service says as data of what it derives. Plain JSON. */
export interface DeclaredService {
  readonly request: readonly StoredField[];
  readonly derived: readonly Omit<DerivedPlan, 'compute'>[];
  /** In its order: what its functions see. */
  readonly blocks: readonly {
    readonly name: string;
    readonly view: string;
    /** Join key of the view to the column it goes by. */
    readonly columns: Readonly<Record<string, string>>;
    /** As it was applied: what the functions see of it, and in which order. */
    readonly layout: ViewLayout;
  }[];
}

/** What a service says as data. */
export function declaredService({
  request = [],
  derived = [],
  blocks,
}: Omit<CompiledService, 'name'>): DeclaredService {
  return {
    request: request.map(storedField),
    derived: derived.map(({ name, type, block, hushed }) => ({ name, type, block, ...(hushed && { hushed }) })),
    blocks: blocks.map((block) => ({
      name: block.name,
      view: block.view.name,
      columns: columnsByKey(block),
      layout: block.view.layout,
    })),
  };
}
