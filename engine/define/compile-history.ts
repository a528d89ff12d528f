import { isAbsolute, join } from 'node:path';
import { contractOf } from '../contract/compile-contract.ts';
import { hushedContract } from '../contract/hush-reasons.ts';
import type { FieldPlan } from '../contract/field-plan.ts';
import { isIsoDate } from '../values/date-days.ts';
import { INSTANT, parseDateTime } from '../values/iso-time.ts';
import type { CompiledHistory, CsvDialect, PathLines } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Source } from './source.ts';

/** Compiles where a source's history lies and how it is read; null where it has none. */
export function compileHistory(
  history: Source['options']['history'],
  baseFolder: string,
  fields: ReadonlyMap<string, FieldPlan>,
  sensitive: ReadonlySet<string>,
  report: ReportFault,
): CompiledHistory | null {
  if (history === undefined) return null;
  if (typeof history.path !== 'string' || history.path === '') {
    report(
      'invalid-history',
      'history.path',
      'expected a path or glob',
      "Give e.g. history: { path: 'data/flights/*.parquet' }.",
    );
    return null;
  }
  const path = isAbsolute(history.path) ? history.path : join(baseFolder, history.path);
  const { disjoint = false } = history;
  if (typeof disjoint !== 'boolean') {
    report(
      'invalid-history',
      'history.disjoint',
      `expected true or false, received ${JSON.stringify(disjoint)}`,
      'Give `disjoint: true` where no event stands in both history and topic, or leave it out.',
    );
  }
  const partitions = readPartitions(history.partitions, fields, report);
  return {
    path,
    untilUs: readUntil(history.until, report),
    disjoint,
    partitions,
    lines: pathLines(partitions, fields, sensitive),
    csv: readDialect(history.csv, report),
  };
}

function readPartitions(
  partitions: readonly string[] | undefined,
  fields: ReadonlyMap<string, FieldPlan>,
  report: ReportFault,
): readonly string[] {
  if (partitions === undefined) return [];
  const path = 'history.partitions';
  if (!Array.isArray(partitions) || partitions.some((name) => typeof name !== 'string')) {
    report(
      'invalid-history',
      path,
      `expected a list of field names, received ${JSON.stringify(partitions)}`,
      "Give e.g. partitions: ['country'] for files below country=NL/.",
    );
    return [];
  }
  for (const name of partitions) {
    const kind = fields.get(name)?.spec.type.kind;
    if (kind === undefined) {
      report(
        'unknown-field',
        path,
        `no field "${name}" in the schema`,
        `Add it, or name some of: ${[...fields.keys()].join(', ')}.`,
      );
    } else if (kind === 'array' || kind === 'object') {
      report(
        'wrong-field-type',
        path,
        `field "${name}" is a list or an object`,
        'A folder holds one value: take it out.',
      );
    }
  }
  if (new Set(partitions).size < partitions.length) {
    report('invalid-history', path, 'names a field twice', 'Name each once.');
  }
  return [...partitions];
}

function pathLines(
  partitions: readonly string[],
  fields: ReadonlyMap<string, FieldPlan>,
  sensitive: ReadonlySet<string>,
): PathLines | undefined {
  if (partitions.length === 0) return undefined;
  const inPath = [...fields].filter(([name]) => partitions.includes(name));
  const rest = [...fields.values()].filter(({ spec }) => !partitions.includes(spec.name));
  return {
    rest: hushedContract(contractOf(rest), sensitive),
    own: new Map(inPath.map(([name, plan]) => [name, contractOf([plan])])),
  };
}

const preset: CsvDialect = { delimiter: ',', decimal: '.' };

function readDialect(
  csv: { readonly delimiter?: unknown; readonly decimal?: unknown } | undefined,
  report: ReportFault,
): CsvDialect {
  if (csv === undefined) return preset;
  const { delimiter = preset.delimiter, decimal = preset.decimal } = csv;
  if (decimal !== '.' && decimal !== ',') {
    report(
      'invalid-csv-dialect',
      'history.csv.decimal',
      `expected '.' or ',', received ${JSON.stringify(decimal)}`,
      "Give the sign before a number's fraction, e.g. csv: { delimiter: ';', decimal: ',' }.",
    );
    return preset;
  }
  // A sign of numbers, of words or of lines tells no fields apart.
  if (typeof delimiter !== 'string' || !/^[\t !#$%&'()*,/:;<=>?@[\\\]^`{|}~]$/.test(delimiter)) {
    report(
      'invalid-csv-dialect',
      'history.csv.delimiter',
      `expected one character of ASCII that is no letter, digit, quote, "-", "+", "." or "_", received ${JSON.stringify(delimiter)}`,
      "Give e.g. csv: { delimiter: ';' }, or '\\t' for tabs.",
    );
    return preset;
  }
  if (delimiter === decimal) {
    report(
      'invalid-csv-dialect',
      'history.csv',
      `"${delimiter}" is both the delimiter and the decimal sign`,
      "Give the delimiter, too: csv: { delimiter: ';', decimal: ',' }.",
    );
    return preset;
  }
  return { delimiter, decimal };
}

function readUntil(until: string | number | undefined, report: ReportFault): number | null {
  if (until === undefined) return null;
  const text = typeof until === 'string' && isIsoDate(until) ? `${until}T00:00:00Z` : until;
  const epochUs = typeof text === 'string' ? parseDateTime(text, INSTANT) : text;
  if (Number.isSafeInteger(epochUs)) return epochUs;
  report(
    'invalid-until',
    'history.until',
    `expected an ISO datetime with offset, a date, or epoch microseconds, received ${JSON.stringify(until)}`,
    "Give e.g. until: '2001-06-01T00:00:00Z'.",
  );
  return null;
}
