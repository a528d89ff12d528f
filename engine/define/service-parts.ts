import type { FieldPlan } from '../contract/field-plan.ts';
import type { DerivedPlan } from '../derived/derive-step.ts';
import type { ReportFault } from './definition-fault.ts';
import type { FeatureService, ServiceMember } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import { readDerived } from './read-derived.ts';
import { readRequestFields } from './request-fields.ts';
import { keyColumns } from './view-role.ts';

/** What a service has of its own, judged. */
export interface ServiceParts {
  readonly request: readonly FieldPlan[];
  readonly derived: readonly DerivedPlan[];
}

/** What a service has of its own, by its definition alone; `keysOf` says the join keys of a view. Faults go to `report`. */
export function servicePartsOf(
  service: FeatureService,
  keysOf: (view: FeatureView) => readonly { readonly name: string }[],
  report: ReportFault,
): ServiceParts {
  const columns = new Set(
    service.views.flatMap((member) =>
      keyColumns(keysOf(viewOf(member)), member.kind === 'view-role' ? member.columns : {}),
    ),
  );
  const derived = readDerived(service.derived ?? [], 'derived', new Map(), report);
  return { request: readRequestFields({ request: service.request ?? null }, columns, report), derived };
}

/** The view of a member, whatever its role. */
export function viewOf(member: ServiceMember): FeatureView {
  return member.kind === 'view-role' ? member.view : member;
}
