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

/** What the records of a source are told apart by: `segments`, each a field or a named function. */
export function readSegments(
  { segments = [], eventId }: SourceFacts,
  fields: ReadonlyMap<string, FieldPlan>,
  sensitive: readonly string[],
  report: ReportFault,
): CompiledSegment[] {
  return namedSegments(segments, report).flatMap(({ given, name, path }): CompiledSegment[] => {
    if (typeof given === 'object') {
      if (typeof given.of === 'function') return [{ name, of: given.of as (row: Row) => unknown }];
      report(
        'invalid-segment',
        path,
        `"${name}" has no function \`of\``,
        "Give e.g. { name: 'origin', of: (row) => row.origin }.",
      );
      return [];
    }
    const plan = fields.get(name);
    if (plan === undefined)
      report(
        'unknown-field',
        path,
        `no field "${name}" in the schema`,
        `Name one of: ${[...fields.keys()].join(', ')}.`,
      );
    else if (!segmentKinds.has(plan.spec.type.kind))
      report(
        'invalid-segment',
        path,
        `field "${name}" is ${plan.spec.type.kind}, and a segment has few values`,
        'Name a string, enum, boolean, int or date, or give { name, of: (row) => … }.',
      );
    else if (name === eventId)
      report(
        'invalid-segment',
        path,
        `field "${name}" is the event's id: no two records share a value`,
        'Name a field of few values.',
      );
    else if (sensitive.includes(name))
      report(
        'invalid-segment',
        path,
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
  report: ReportFault,
): { readonly segments?: readonly string[] } {
  const named = namedSegments(segments ?? [], report).flatMap(({ given, name, path }) => {
    if (typeof given !== 'string')
      report('invalid-segment', path, `"${name}" is a function`, `Name some of: ${keys.join(', ')}.`);
    else if (!keys.includes(name))
      report('unknown-field', path, `"${name}" is no part of the key`, `Name some of: ${keys.join(', ')}.`);
    else return [name];
    return [];
  });
  return named.length === 0 ? {} : { segments: named };
}

type Given = string | { readonly name: string; readonly of: unknown };

function namedSegments(
  segments: readonly Given[],
  report: ReportFault,
): { readonly given: Given; readonly name: string; readonly path: string }[] {
  if (!Array.isArray(segments)) {
    const received = `expected a list, received ${JSON.stringify(segments)}`;
    report('invalid-segment', 'segments', received, "Give e.g. segments: ['origin'].");
    return [];
  }
  if (segments.length > MOST_SEGMENTS) {
    const many = `there are ${segments.length}, and each is counted beside the whole: expected at most ${MOST_SEGMENTS}`;
    report('invalid-segment', 'segments', many, 'Name those that faults are likely to be confined to.');
    return [];
  }
  const names = new Set<string>();
  return (segments as readonly Given[]).flatMap((given, index) => {
    const path = `segments[${index}]`;
    const name: unknown = typeof given === 'object' && given !== null ? given.name : given;
    if (typeof name !== 'string') {
      const received = `expected a field, received ${JSON.stringify(given)}`;
      report('invalid-segment', path, received, "Give e.g. 'origin', or { name, of }.");
      return [];
    }
    // A field's name was judged with the schema.
    const form = typeof given === 'string' ? null : nameFault(name);
    const taken = `"${PARTITION}" is taken: every record has that segment`;
    if (form !== null) report('invalid-segment', path, form, 'Use snake_case of at most 40 characters.');
    else if (name === PARTITION) report('invalid-segment', path, taken, 'Give it another name, with { name, of }.');
    else if (names.has(name)) report('invalid-segment', path, `has "${name}" twice`, 'Name each segment once.');
    else {
      names.add(name);
      return [{ given, name, path }];
    }
    return [];
  });
}
