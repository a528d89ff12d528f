import type { ResultType } from '../values/result-type.ts';

/** The output column type of a value of `type`, as DuckDB names it. */
export function outputSqlType(type: ResultType): string {
  switch (type.kind) {
    case 'string':
    case 'enum':
      return 'VARCHAR';
    case 'boolean':
      return 'BOOLEAN';
    case 'int':
    case 'int64':
      return 'BIGINT';
    case 'decimal':
      return `DECIMAL(${type.precision}, ${type.scale})`;
    case 'double':
      return 'DOUBLE';
    case 'timestamp':
      return 'TIMESTAMPTZ';
    case 'date':
      return 'DATE';
    case 'list':
      return `${outputSqlType(type.item)}[]`;
    case 'map':
      return `MAP(${outputSqlType(type.key)}, ${outputSqlType(type.value)})`;
  }
}

/** How a feature's value waits in a DuckDB table between engine and output: the exact form that is cheapest to write and to read back. */
export function stagedSqlType(type: ResultType): string {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
    case 'list':
    case 'map':
      return 'VARCHAR';
    case 'timestamp':
      return 'BIGINT';
    case 'boolean':
    case 'int':
    case 'int64':
    case 'decimal':
    case 'double':
      return outputSqlType(type);
  }
}

/** SQL from the staged form to the output form. Exact: every staged text has the digits its type can hold. */
export function outputSql(type: ResultType, staged: string): string {
  switch (type.kind) {
    case 'timestamp':
      return `make_timestamptz(${staged})`;
    case 'decimal':
    case 'date':
      return `CAST(${staged} AS ${outputSqlType(type)})`;
    case 'list':
    case 'map':
      return `CAST(CAST(${staged} AS JSON) AS ${outputSqlType(type)})`;
    case 'string':
    case 'enum':
    case 'boolean':
    case 'int':
    case 'int64':
    case 'double':
      return staged;
  }
}
