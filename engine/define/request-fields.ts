import type { FieldPlan } from '../contract/field-plan.ts';
import { readSchema } from '../contract/read-schema.ts';
import type { RequestValues } from '../derived/derive-service.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { type Reading, refusal } from '../values/convert.ts';
import type { ScalarType } from '../values/field-type.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import type { Spelling } from '../values/spelling.ts';
import { textReading } from '../values/text-reading.ts';
import { typedReading } from '../values/typed-reading.ts';
import type { ReportFault } from './definition-fault.ts';
import type { FeatureService } from './feature-service.ts';
import { columnFault } from './names.ts';

/**
 * Judges what a service asks of its callers: scalars, none of them named as a column that its views are read by.
 *
 * @param columns what its join keys go by
 */
export function readRequestFields(
  { request }: Pick<FeatureService, 'request'>,
  columns: ReadonlySet<string>,
  report: ReportFault,
): FieldPlan[] {
  if (request === null) return [];
  const { plans, faults } = readSchema(request);
  for (const { path, message, remedy } of faults)
    report('unsupported-type', path === '' ? 'request' : `request.${path}`, message, remedy);
  for (const { spec } of plans) {
    const path = `request.${spec.name}`;
    const fault = columnFault(spec.name);
    if (fault !== null) report(fault.code, path, fault.message, 'Use another name: snake_case, not reserved.');
    if (columns.has(spec.name))
      report(
        'duplicate-name',
        path,
        `"${spec.name}" is a column that its views are read by`,
        'Use another name for it.',
      );
    if (spec.type.kind === 'array' || spec.type.kind === 'object')
      report('unsupported-type', path, 'a list or an object cannot be given with a request', 'Use scalars.');
  }
  return plans;
}

/** How the values of a request come in: as TypeScript has them, as JSON does, or as text, where an empty one is null of a field that may be. */
export type RequestDoor = 'typescript' | 'json' | 'text';

const READING_AT: Readonly<Record<RequestDoor, (type: ScalarType, spelling: Spelling) => Reading>> = {
  typescript: rowValueReading,
  json: typedReading,
  text: textReading,
};

type Refuse = (field: string, what: string) => MillraceError;
type FieldRead = (given: Readonly<Record<string, unknown>>, refuse: Refuse) => unknown;

/**
 * What reads the values of a request, by the contract of its service: one verdict at every door. Fields that may be left out are null then. `place`, where the
 * request stands among others, begins what it refuses.
 *
 * @throws MillraceError `invalid-request` naming the field: missing, surplus, of another type, refused by a check
 * @example
 * const request = requestReader('delay_model', fields, 'json')({ seats: 180 });
 */
export function requestReader(
  service: string,
  fields: readonly FieldPlan[],
  door: RequestDoor,
): (given: unknown, place?: string) => RequestValues {
  const names = new Set(fields.map(({ spec }) => spec.name));
  const reads = fields.map((plan): readonly [string, FieldRead] => [plan.spec.name, fieldReader(plan, door)]);
  const known = fields.length === 0 ? 'it takes none' : `it takes ${[...names].join(', ')}`;
  return (given = {}, place = '') => {
    const refuse: Refuse = (field, what) => invalid(service, field, what, place);
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      throw refuse('request', 'expected an object with the values of the request');
    const values = given as Readonly<Record<string, unknown>>;
    const surplus = Object.keys(values).find((name) => !names.has(name));
    if (surplus !== undefined) throw refuse(surplus, `there is no such value of a request: ${known}`);
    return Object.freeze(Object.fromEntries(reads.map(([name, read]) => [name, read(values, refuse)])));
  };
}

function fieldReader({ spec, accepts, expected, spelling }: FieldPlan, door: RequestDoor): FieldRead {
  const { name, nullable, optional } = spec;
  const type = spec.type as ScalarType;
  const reading: Reading = {
    ...READING_AT[door](type, spelling),
    expected: `${expected}${nullable ? ' or null' : ''}`,
  };
  const nothing = door === 'text' ? '' : null;
  return (given, refuse) => {
    const raw = Object.hasOwn(given, name) ? given[name] : undefined;
    if (raw === undefined) {
      if (optional) return null;
      throw refuse(name, `is missing: expected ${reading.expected}`);
    }
    if (raw === nothing && nullable) return null;
    const value = raw === null ? undefined : reading.convert(raw);
    if (value !== undefined && (accepts === null || accepts(value as never))) return value;
    throw refuse(name, refusal(reading, raw));
  };
}

function invalid(service: string, field: string, what: string, place: string): MillraceError {
  return new MillraceError('invalid-request', `${place}service "${service}", request, ${field}: ${what}`, {
    remedy: 'Give the values that the service asks for, and no others.',
    details: { service, field },
  });
}
