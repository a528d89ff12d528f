import type { FieldPlan } from '../contract/field-plan.ts';
import type { Reading } from '../values/convert.ts';
import { expectedOf } from '../values/expected-words.ts';
import type { ScalarType } from '../values/field-type.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { columnFault, fitting, GIVEN_PURPOSE, type LabelColumn } from './label-columns.ts';
import { readingOf, type SpineColumn } from './spine-columns.ts';
import { missingColumn, type SpineFault } from './spine-faults.ts';

/**
 * The columns of a spine that a service's request is given by: by the fields' names and their contract. A field that may be left out may have
 * none.
 */
export async function givenColumns(
  duckdb: DuckDb,
  columns: readonly SpineColumn[],
  fields: readonly FieldPlan[],
): Promise<{ readonly given: readonly LabelColumn[]; readonly faults: readonly SpineFault[] }> {
  const given: LabelColumn[] = [];
  const faults: SpineFault[] = [];
  const names = columns.map(({ name }) => name);
  for (const [index, plan] of fields.entries()) {
    const { name, optional, nullable } = plan.spec;
    const type = plan.spec.type as ScalarType;
    const source = columns.find((column) => column.name === name);
    if (source === undefined) {
      if (!optional) faults.push(missingColumn(name, GIVEN_PURPOSE, names));
      continue;
    }
    const column = await fitting(duckdb, source, (one) => readingOf(one, type, plan.spelling) !== null);
    const reading = readingOf(column, type, plan.spelling);
    if (reading === null) {
      const message = `is ${column.type}; expected ${expectedOf(type, plan.spelling)}`;
      faults.push(columnFault('spine-bad-request', column, GIVEN_PURPOSE, { message, remedy: 'Give it in its type.' }));
      continue;
    }
    const checked = checkedReading(reading, plan);
    const more = nullable || optional ? { nullable: true as const } : {};
    given.push({ column, purpose: GIVEN_PURPOSE, type, reading: checked, staged: `q${index}`, ...more });
  }
  return { given, faults };
}

/** A reading that the field's own checks are part of. */
function checkedReading(reading: Reading, { accepts, expected }: FieldPlan): Reading {
  return {
    ...reading,
    expected,
    convert: (raw) => {
      const value = reading.convert(raw);
      return value === undefined || (accepts !== null && !accepts(value as never)) ? undefined : value;
    },
  };
}
