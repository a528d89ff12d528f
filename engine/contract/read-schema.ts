import type { z } from 'zod';
import type { DecimalDef } from './decimal.ts';
import type { EpochDef } from './epoch.ts';
import type { ContractFault, FieldPlan } from './field-plan.ts';
import { describeReceived } from '../values/describe-received.ts';
import { expectedOf } from '../values/expected-words.ts';
import type { FieldType, ScalarType } from '../values/field-type.ts';
import { PLAIN_SPELLING, type Spelling } from '../values/spelling.ts';
import type { CheckSubject, FoldedChecks } from './fold-rules.ts';
import { readChecks } from './read-checks.ts';

type Def = z.core.$ZodTypes['_zod']['def'];
type Report = (path: string, message: string, remedy: string) => void;

/** What a source adds to what its schema says. */
export interface SchemaOptions {
  /** Digits of times finer than a microsecond are cut off; else they must be zero. */
  readonly finerThanMicros?: 'truncate' | undefined;
}

const noChecks: FoldedChecks = { accepts: null, rules: [], wording: '' };

/** What to write instead of a zod type that cannot be honoured on every source format. */
const alternatives: Readonly<Record<string, string>> = {
  date: 'Use z.iso.datetime(), z.iso.date() or epoch(…).',
  bigint: 'Use z.int64(), or decimal(38, 0) for larger numbers.',
  literal: 'Use z.enum([...]).',
  union: 'Use one type; where a field may be missing, .nullable() or .optional().',
  record: 'Use z.object({...}) with its fields, or z.string() and parse it in a row function.',
  map: 'Use z.object({...}) with its fields, or z.string() and parse it in a row function.',
  tuple: 'Use z.object({...}) or z.array(...).',
  any: 'Name the type.',
  unknown: 'Name the type, or leave the field out: unknown fields are ignored.',
  default: 'Use .nullable() or .optional() and ?? in a row function.',
  prefault: 'Use .nullable() or .optional() and ?? in a row function.',
  catch: 'Leave it out: a record that breaks the contract goes to the dead letters.',
  pipe: 'Transform, preprocess, pipe and codec change values: do it in a row function.',
  transform: 'Change values in a row function.',
  lazy: 'Write the type out.',
};

/** Reads a contract's fields, reporting everything that cannot be honoured with its path. */
export function readSchema(
  schema: z.ZodObject,
  options: SchemaOptions = {},
): { plans: FieldPlan[]; faults: ContractFault[] } {
  const faults: ContractFault[] = [];
  const report: Report = (path, message, remedy) => faults.push({ path, message, remedy });
  if ((schema as unknown) === null || schema?._zod?.def?.type !== 'object') {
    report(
      '',
      'expected a z.object({...})',
      'Give `schema: z.object({...})`, from the same zod that Millrace resolves.',
    );
    return { plans: [], faults };
  }
  const plans = readMembers(schema._zod.def, '', report);
  return { plans: options.finerThanMicros === 'truncate' ? plans.map(truncated) : plans, faults };
}

/** The same field, its times cut to microseconds. */
function truncated(plan: FieldPlan): FieldPlan {
  const item = plan.item && truncated(plan.item);
  const members = plan.members.map(truncated);
  const { type } = plan.spec;
  if (type.kind !== 'timestamp') return { ...plan, item, members };
  const spelling = { ...plan.spelling, truncate: true };
  return { ...plan, item, members, spelling, expected: expectedOf(type, spelling) };
}

function readMembers(def: z.core.$ZodObjectDef, path: string, report: Report): FieldPlan[] {
  const at = path === '' ? 'the object' : path;
  if (def.catchall !== undefined) {
    const strict = def.catchall._zod.def.type === 'never';
    report(
      path,
      `${at}: ${strict ? 'z.strictObject (unknown keys are an error)' : 'z.looseObject or catchall (unknown keys are kept)'} cannot be honoured: unknown keys are ignored on every source`,
      'Use z.object({...}).',
    );
  }
  if ((def.checks ?? []).length > 0) {
    report(
      path,
      `${at}: checks on an object cannot be honoured`,
      'Declare checks on its fields, or use `where` in the feature view.',
    );
  }
  const plans: FieldPlan[] = [];
  for (const [name, member] of Object.entries(def.shape)) {
    const fieldPath = path === '' ? name : `${path}.${name}`;
    if (name in Object.prototype || name === '') {
      report(fieldPath, `a field cannot be named ${JSON.stringify(name)}`, 'Rename it at the producer.');
    } else if ((member as unknown) === null || (member as z.core.$ZodType | undefined)?._zod === undefined) {
      report(fieldPath, `expected a zod schema, received ${describeReceived(member)}`, 'Give the schema of the field.');
    } else {
      plans.push(readField(member, name, fieldPath, report));
    }
  }
  if (plans.length === 0 && Object.keys(def.shape).length === 0)
    report(path, `${at} has no fields`, 'Name at least one field.');
  return plans;
}

/** Reads one field's schema. Faults go to `report`; the plan is then of no use but for further reading. */
export function readField(schema: z.core.$ZodType, name: string, path: string, report: Report): FieldPlan {
  let inner = schema as z.core.$ZodTypes;
  let nullable = false;
  let optional = false;
  for (;;) {
    const def: Def = inner._zod.def;
    if (def.type !== 'nullable' && def.type !== 'optional' && def.type !== 'readonly') break;
    nullable ||= def.type === 'nullable';
    optional ||= def.type === 'optional';
    if ((def.checks ?? []).length > 0) {
      report(path, `a check on an ${def.type} wrapper cannot be honoured`, `Put the check before .${def.type}().`);
    }
    inner = def.innerType as z.core.$ZodTypes;
  }
  const def: Def = inner._zod.def;
  if ('coerce' in def && def.coerce) {
    report(
      path,
      `z.coerce.${def.type}() cannot be honoured`,
      'Use the plain type: what a column becomes is a fixed table.',
    );
  }
  const plan = { spelling: PLAIN_SPELLING, item: null, members: [] as readonly FieldPlan[] };
  const finish = (
    type: FieldType,
    expected: string,
    checks: FoldedChecks,
    more: Partial<typeof plan> | { item: FieldPlan } = {},
  ) => ({
    ...plan,
    ...more,
    spec: { name, type, nullable, optional },
    accepts: checks.accepts,
    rules: checks.rules,
    expected: checks.wording === '' ? expected : `${expected} ${checks.wording}`,
  });
  const scalar = (type: ScalarType, checks: FoldedChecks, spelling: Spelling = PLAIN_SPELLING) =>
    finish(type, expectedOf(type, spelling), checks, { spelling });
  const checksFor = (subject: CheckSubject | null): FoldedChecks => readOwnChecks(def, subject, path, report);
  switch (def.type) {
    case 'string': {
      if ('decimal' in def) {
        const { precision, scale } = (def as DecimalDef).decimal;
        const [, ...extra] = def.checks ?? [];
        refuseChecks(extra, path, report);
        return scalar({ kind: 'decimal', precision, scale }, noChecks);
      }
      const format = 'format' in def ? def.format : undefined;
      if (format === 'datetime') {
        return scalar({ kind: 'timestamp' }, noChecks, readDateTime(def as z.core.$ZodISODateTimeDef, path, report));
      }
      if (format === 'date') {
        refuseChecks(def.checks ?? [], path, report);
        return scalar({ kind: 'date' }, noChecks);
      }
      return scalar({ kind: 'string' }, checksFor('string'));
    }
    case 'number': {
      if ('epoch' in def) {
        refuseChecks(def.checks ?? [], path, report);
        return scalar({ kind: 'timestamp' }, noChecks, { ...PLAIN_SPELLING, epoch: (def as EpochDef).epoch });
      }
      const formats = numberFormats(def);
      const kind = formats.some((format) => integerFormats.has(format)) ? 'int' : 'double';
      return scalar({ kind }, checksFor(kind), { ...PLAIN_SPELLING, float32: formats.includes('float32') });
    }
    case 'bigint': {
      const formats = [def, ...(def.checks ?? []).map((check) => check._zod.def)];
      if (!formats.some((one) => 'format' in one && one.format === 'int64')) break;
      return scalar({ kind: 'int64' }, checksFor('int64'));
    }
    case 'boolean':
      return scalar({ kind: 'boolean' }, checksFor(null));
    case 'enum': {
      const values = z4EnumValues(def.entries);
      if (values.some((value) => typeof value !== 'string')) {
        report(path, 'an enum with numbers cannot be honoured', 'Use z.enum([...]) with strings, or z.int().');
      }
      const texts = values.map(String);
      return scalar({ kind: 'enum', values: texts }, checksFor(null));
    }
    case 'array': {
      const item = readField(def.element, '', `${path}[]`, report);
      return finish({ kind: 'array', item: item.spec }, 'a list', checksFor('array'), { item });
    }
    case 'object': {
      const members = readMembers(def, path, report);
      return finish({ kind: 'object', fields: members.map((member) => member.spec) }, 'an object', noChecks, {
        members,
      });
    }
    default:
      break;
  }
  report(
    path,
    `${typeName(def)} cannot be honoured for every source format`,
    alternatives[def.type] ?? 'Use one of the supported types.',
  );
  return scalar({ kind: 'string' }, noChecks);
}

function typeName(def: Def): string {
  if (def.type === 'bigint') return 'format' in def ? `z.${String(def.format)}()` : 'z.bigint()';
  if (def.type === 'pipe') return 'a pipe (transform, preprocess, codec or stringbool)';
  if (def.type === 'custom') return 'a custom type (z.custom or z.instanceof)';
  return `z.${def.type}`;
}

function z4EnumValues(entries: Readonly<Record<string, string | number>>): (string | number)[] {
  // A native numeric enum lists its reverse mapping too; zod leaves that out in the same way.
  const numbers = new Set(Object.values(entries).filter((value) => typeof value === 'number'));
  return Object.entries(entries)
    .filter(([key]) => !numbers.has(Number(key)))
    .map(([, value]) => value);
}

const integerFormats = new Set(['safeint', 'int32', 'uint32']);

function numberFormats(def: z.core.$ZodNumberDef): string[] {
  return [def, ...(def.checks ?? []).map((check) => check._zod.def)].flatMap((one) =>
    'format' in one ? [String(one.format)] : [],
  );
}

/** The checks of a schema; zod's format types (z.int(), z.email()) are checks themselves. */
function readOwnChecks(def: Def, subject: CheckSubject | null, path: string, report: Report): FoldedChecks {
  const declared = (def.checks ?? []) as readonly z.core.$ZodCheck[];
  if (subject === null) {
    refuseChecks(declared, path, report);
    return noChecks;
  }
  const defs: z.core.$ZodCheckDef[] = declared.map((check) => check._zod.def);
  if ('check' in def && def.type !== 'custom') defs.unshift(def);
  return readChecks(defs, subject, (what, remedy) => report(path, `${what} cannot be honoured`, remedy));
}

function refuseChecks(checks: readonly z.core.$ZodCheck[], path: string, report: Report): void {
  if (checks.length === 0) return;
  const names = checks.map((check) => check._zod.def.check).join(', ');
  report(
    path,
    `a check on this type cannot be honoured (${names})`,
    'Use `where` in the feature view: a column holds no text for it.',
  );
}

function readDateTime(def: z.core.$ZodISODateTimeDef, path: string, report: Report): Spelling {
  if (def.precision !== null && def.precision !== undefined) {
    report(
      path,
      'z.iso.datetime({ precision }) cannot be honoured: columns hold no text',
      'Leave `precision` out: microseconds are kept.',
    );
  }
  refuseChecks(def.checks ?? [], path, report);
  return { ...PLAIN_SPELLING, offset: def.offset ?? false, local: def.local ?? false };
}
