import type { FieldPlan } from '../contract/field-plan.ts';
import type { DerivedPlan } from '../derived/derive-step.ts';
import type { CompiledService } from './compiled-view.ts';
import { type DeclaredService, declaredService } from './declared-service.ts';
import type { ViewLayout } from './view-layout.ts';

/** What a version of a service derives, by its own code. */
export interface DerivedCode {
  /** Stands for it (`derivedTag`). */
  readonly fingerprint: string;
  readonly request: readonly FieldPlan[];
  readonly derived: readonly DerivedPlan[];
  /** What its functions see, in its order. */
  readonly blocks: readonly (DeclaredService['blocks'][number] & Pick<ViewLayout, 'features'>)[];
}

/** Where the code of services' versions comes from: what they were applied with, whatever definitions a process was started with. */
export interface ServiceCode {
  /**
   * What a version of a service derives; null where it derives nothing.
   *
   * @throws MillraceError `definition-changed` where its code was not kept, and what opening a bundle does
   */
  derivedBy(asked: { readonly service: string; readonly version: number }): Promise<DerivedCode | null>;
}

/** What a service of definitions at hand derives. */
export function derivedCodeOf(service: CompiledService): DerivedCode {
  const { request = [], derived = [], derivedTag = '' } = service;
  return { fingerprint: derivedTag, request, derived, blocks: seenBlocks(declaredService(service)) };
}

/** What functions see, by what was declared of their service. */
export function seenBlocks({ blocks }: DeclaredService): DerivedCode['blocks'] {
  return blocks.map((block) => ({ ...block, features: block.layout.features }));
}
