import type { ScalarValue } from '../values/field-type.ts';
import type { ResultType } from '../values/result-type.ts';

/** SQL of a staged value in a form that comes out exactly. */
export function readableSql(type: ResultType, staged: string): string {
  return type.kind === 'decimal' ? `CAST(${staged} AS VARCHAR)` : staged;
}

/** A value as it comes out of DuckDB, as the engine has it. */
export function valueReader(type: ResultType): (raw: unknown) => ScalarValue {
  return type.kind === 'int' || type.kind === 'timestamp'
    ? (raw) => (raw === null ? null : Number(raw))
    : (raw) => raw as ScalarValue;
}
