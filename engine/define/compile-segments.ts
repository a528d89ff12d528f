import type { Row } from '../contract/compiled-contract.ts';
import type { FieldPlan } from '../contract/field-plan.ts';
import type { CompiledSegment } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import { nameFault } from './names.ts';
import type { SourceFacts } from './source.ts';

/** Each is counted beside the whole: a handful. */
const MOST_SEGMENTS = 8;
/** The segment that every record has. */
const PARTITION = 'partition';
const segmentKinds = new Set(['string', 'enum', 'boolean', 'int', 'int64', 'date']);

type Report = (message: string, remedy: string, code?: 'unknown-field') => void;

/** What the records of a source are told apart by: `segments`, each a field or a named function. */
export function readSegments(
  { segments = [], eventId }: SourceFacts,
  fields: ReadonlyMap<string, FieldPlan>,
  sensitive: readonly string[],
  reportFault: ReportFault,
): CompiledSegment[] {
  return namedSegments(segments, reportFault).flatMap(({ given, name, report }): CompiledSegment[] => {
    if (typeof given === 'object') {
      if (typeof given.of === 'function') return [{ name, of: given.of as (row: Row) => unknown }];
      report(`"${name}" has no function \`of\``, "Give e.g. { name: 'origin', of: (row) => row.origin }.");
      return [];
    }
    const plan = fields.get(name);
    if (plan === undefined)
      report(`no field "${name}" in the schema`, `Name one of: ${[...fields.keys()].join(', ')}.`, 'unknown-field');
    else if (!segmentKinds.has(plan.spec.type.kind))
      report(
        `field "${name}" is ${plan.spec.type.kind}, and a segment has few values`,
        'Name a string, enum, boolean, int or date, or give { name, of: (row) => … }.',
      );
    else if (name === eventId)
      report(`field "${name}" is the event's id: no two records share a value`, 'Name a field of few values.');
    else if (sensitive.includes(name))
      report(
        `field "${name}" is sensitive, and the values of segments are shown`,
        'Give a function that says less: { name, of: (row) => … }.',
      );
    return [{ name, of: (row) => row[name] }];
  });
}

/** The parts of a key that reads are told apart by: `segments` of a view or a service. */
export function readKeySegments(
  segments: readonly string[] | undefined,
  keys: readonly string[],
  reportFault: ReportFault,
): { readonly segments?: readonly string[] } {
  const named = namedSegments(segments ?? [], reportFault).flatMap(({ given, name, report }) => {
    if (typeof given === 'string' && keys.includes(name)) return [name];
    const of = typeof given === 'string' ? `"${name}" is no part of the key` : `"${name}" is a function`;
    report(of, `Name some of: ${keys.join(', ')}.`, ...(typeof given === 'string' ? (['unknown-field'] as const) : []));
    return [];
  });
  return named.length === 0 ? {} : { segments: named };
}

type Given = string | { readonly name: string; readonly of: unknown };

function namedSegments(
  segments: readonly Given[],
  reportFault: ReportFault,
): { readonly given: Given; readonly name: string; readonly report: Report }[] {
  const fault = (path: string, message: string, remedy: string, code: 'unknown-field' | 'invalid-segment'): void =>
    reportFault(code, path, message, remedy);
  if (!Array.isArray(segments)) {
    const received = JSON.stringify(segments);
    fault('segments', `expected a list, received ${received}`, "Give e.g. segments: ['origin'].", 'invalid-segment');
    return [];
  }
  if (segments.length > MOST_SEGMENTS) {
    const many = `there are ${segments.length}, and each is counted beside the whole: expected at most ${MOST_SEGMENTS}`;
    fault('segments', many, 'Name those that faults are likely to be confined to.', 'invalid-segment');
    return [];
  }
  const names = new Set<string>();
  return (segments as readonly Given[]).flatMap((given, index) => {
    const report: Report = (message, remedy, code) =>
      fault(`segments[${index}]`, message, remedy, code ?? 'invalid-segment');
    const name: unknown = typeof given === 'object' && given !== null ? given.name : given;
    if (typeof name !== 'string') {
      report(`expected a field, received ${JSON.stringify(given)}`, "Give e.g. 'origin', or { name, of }.");
      return [];
    }
    // A field's name was judged with the schema.
    const form = typeof given === 'string' ? null : nameFault(name);
    if (form !== null) report(form, 'Use snake_case of at most 40 characters.');
    else if (name === PARTITION)
      report(`"${PARTITION}" is taken: every record has that segment`, 'Give it another name, with { name, of }.');
    else if (names.has(name)) report(`has "${name}" twice`, 'Name each segment once.');
    else {
      names.add(name);
      return [{ given, name, report }];
    }
    return [];
  });
}
