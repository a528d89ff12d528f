import type { FieldPlan } from '../contract/field-plan.ts';
import type { Decisions } from './decisions.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Source } from './source.ts';

const valueKinds = new Set(['boolean', 'int', 'double', 'string', 'enum']);

/** Reports what decisions and outcomes cannot say, beside what no source can. */
export function reportSaid(definition: Source, fields: ReadonlyMap<string, FieldPlan>, report: ReportFault): void {
  if (definition.says === 'decisions') reportDecisions(definition as Decisions, fields, report);
  if (definition.says === 'outcomes') reportOutcomes(fields, report);
}

function reportDecisions(
  { byRequest = [] }: Decisions,
  fields: ReadonlyMap<string, FieldPlan>,
  report: ReportFault,
): void {
  const context = fields.get('context')?.spec;
  if (context !== undefined && (context.type.kind !== 'object' || context.nullable || context.optional))
    report('wrong-field-type', 'context', 'expected a z.object(…) that is never null', 'Give z.object({ … }).');
  for (const { name, options } of byRequest) {
    if (options.servingLog === 1) continue;
    const share = options.servingLog === undefined ? 'the default share' : `a share of ${options.servingLog}`;
    report(
      'not-logged-whole',
      'byRequest',
      `service "${name}" is logged by ${share} of its entities: what a request of the others was served is known nowhere`,
      `Give service "${name}" servingLog: 1, or decide with what was read: decide({ reads: [read] }).`,
    );
  }
}

function reportOutcomes(fields: ReadonlyMap<string, FieldPlan>, report: ReportFault): void {
  const value = fields.get('value')?.spec.type;
  if (value !== undefined && !valueKinds.has(value.kind))
    report(
      'wrong-field-type',
      'value',
      `an outcome's value cannot be of type ${value.kind}`,
      'Give z.number(), z.int(), z.boolean(), z.string() or an enum.',
    );
  for (const { spec } of fields.get('entity')?.members ?? [])
    if (spec.type.kind === 'array' || spec.type.kind === 'object')
      report(
        'unsupported-type',
        `entity.${spec.name}`,
        'a list or an object names nothing',
        'Use scalars: an outcome is found by them.',
      );
}
