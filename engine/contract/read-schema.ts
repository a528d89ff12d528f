import type { z } from 'zod';
import type { DecimalDef } from './decimal.ts';
import type { ContractFault, FieldPlan } from './field-plan.ts';
import type { FieldType } from '../values/field-type.ts';
import { type CheckSubject, type FoldedChecks, readChecks } from './read-checks.ts';

type Def = z.core.$ZodTypes['_zod']['def'];
type Report = (path: string, message: string, remedy: string) => void;

const noChecks: FoldedChecks = { accepts: null, rules: [], wording: '' };

/** What to write instead of a zod type that cannot be honoured on every source format. */
const alternatives: Readonly<Record<string, string>> = {
  date: 'Use z.iso.datetime() or z.iso.date().',
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
export function readSchema(schema: z.ZodObject): { plans: FieldPlan[]; faults: ContractFault[] } {
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
  return { plans, faults };
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
  const plan = { offset: false, item: null, members: [] as readonly FieldPlan[] };
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
  const checksFor = (subject: CheckSubject | null): FoldedChecks => readOwnChecks(def, subject, path, report);
  switch (def.type) {
    case 'string': {
      if ('decimal' in def) {
        const { precision, scale } = (def as DecimalDef).decimal;
        const [, ...extra] = def.checks ?? [];
        refuseChecks(extra, path, report);
        return finish({ kind: 'decimal', precision, scale }, `a decimal(${precision},${scale}) as text`, noChecks);
      }
      const format = 'format' in def ? def.format : undefined;
      if (format === 'datetime')
        return finish({ kind: 'timestamp' }, ...readDateTime(def as z.core.$ZodISODateTimeDef, path, report));
      if (format === 'date') {
        refuseChecks(def.checks ?? [], path, report);
        return finish({ kind: 'date' }, 'a date YYYY-MM-DD', noChecks);
      }
      return finish({ kind: 'string' }, 'text', checksFor('string'));
    }
    case 'number': {
      const kind = isInteger(def) ? 'int' : 'double';
      return finish({ kind }, kind === 'int' ? 'an integer' : 'a number', checksFor(kind));
    }
    case 'bigint': {
      const formats = [def, ...(def.checks ?? []).map((check) => check._zod.def)];
      if (!formats.some((one) => 'format' in one && one.format === 'int64')) break;
      return finish({ kind: 'int64' }, 'a 64-bit integer (text or a safe integer)', checksFor('int64'));
    }
    case 'boolean':
      return finish({ kind: 'boolean' }, 'true or false', checksFor(null));
    case 'enum': {
      const values = z4EnumValues(def.entries);
      if (values.some((value) => typeof value !== 'string')) {
        report(path, 'an enum with numbers cannot be honoured', 'Use z.enum([...]) with strings, or z.int().');
      }
      const texts = values.map(String);
      return finish(
        { kind: 'enum', values: texts },
        `one of ${texts.map((text) => JSON.stringify(text)).join(', ')}`,
        checksFor(null),
      );
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
  return finish({ kind: 'string' }, 'text', noChecks);
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

function isInteger(def: z.core.$ZodNumberDef): boolean {
  return [def, ...(def.checks ?? []).map((check) => check._zod.def)].some(
    (one) => 'format' in one && integerFormats.has(String(one.format)),
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

function readDateTime(
  def: z.core.$ZodISODateTimeDef,
  path: string,
  report: Report,
): [string, FoldedChecks, { offset: boolean }] {
  if (def.local) {
    report(
      path,
      'z.iso.datetime({ local: true }) cannot be honoured: a time without an offset is ambiguous',
      'Leave `local` out.',
    );
  }
  if (def.precision !== null && def.precision !== undefined) {
    report(
      path,
      'z.iso.datetime({ precision }) cannot be honoured: columns hold no text',
      'Leave `precision` out: microseconds are kept.',
    );
  }
  refuseChecks(def.checks ?? [], path, report);
  const { offset } = def;
  const zone = offset ? 'with Z or an offset' : 'ending in Z';
  return [`an ISO datetime ${zone} with at most 6 fraction digits, from 1684 to 2255`, noChecks, { offset }];
}
