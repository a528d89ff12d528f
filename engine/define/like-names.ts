import type { FieldPlan } from '../contract/field-plan.ts';
import type { ReportFault } from './definition-fault.ts';

/** Reports fields of one object whose names differ only in case: SQL, and who reads files by it, takes them for one. */
export function reportLikeNames(plans: readonly FieldPlan[], path: string, report: ReportFault): void {
  for (const [, alike] of Map.groupBy(plans, ({ spec }) => spec.name.toLowerCase())) {
    if (alike.length < 2) continue;
    const names = alike.map(({ spec }) => `"${spec.name}"`).join(' and ');
    report('names-alike', path, `fields ${names} differ only in case`, 'Keep one, or rename one at the producer.');
  }
  for (const { spec, members, item } of plans) {
    reportLikeNames(item?.members ?? members, `${path}.${spec.name}`, report);
  }
}
