import { BIGINT, BLOB, BOOLEAN, blobValue, DOUBLE, type DuckDBValue, VARCHAR } from 'duckdb';
import type { Row, ServiceBlock } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { LabelledDecision, LabelScan } from '../labels/label-scan.ts';
import { packRow } from '../labels/packed-row.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import type { FieldSpec, ScalarType, ScalarValue } from '../values/field-type.ts';
import { type JsonValue, scalarOfJson } from '../values/json-values.ts';
import { parseJson } from '../values/parse-json.ts';
import type { ResultType } from '../values/result-type.ts';
import type { Convert } from '../values/convert.ts';
import { FeatureStaging } from './feature-staging.ts';
import { DECIDED_COLUMN, DECISION_COLUMN, LABEL_COLUMN, type LabelOptions } from './label-spine.ts';
import { outputSql, outputSqlType } from './scalar-sql.ts';
import { checkNames, ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';
import type { SpineContext } from './reading.ts';

/** The reads of the rows' decisions, packed: `row_number`, `decision_id`, `reads`. */
export const DECIDED_READS_TABLE = 'training_decided_reads';

/** A column of a row that a decision gives. */
interface DecisionColumn {
  readonly name: string;
  readonly type: ResultType;
  readonly of: (decision: LabelledDecision) => ScalarValue;
}

/**
 * Puts decisions that have a label into `SPINE_TABLE`, in their order, and their reads beside them.
 *
 * @param isTimed whether rows are read by their time: then they have the join keys and what the service was asked with, of their own reads
 */
export async function loadDecisions(
  { options, duckdb, signal }: Pick<SpineContext, 'options' | 'duckdb' | 'signal'>,
  { labels, shadows = false }: LabelOptions,
  scan: LabelScan,
  isTimed: boolean,
  path: string,
): Promise<SpineColumn[]> {
  const { service } = options;
  const columns: DecisionColumn[] = [
    { name: DECISION_COLUMN, type: { kind: 'string' }, of: ({ id }) => id },
    { name: DECIDED_COLUMN, type: { kind: 'timestamp' }, of: ({ timeUs }) => timeUs },
    ...(isTimed
      ? [...service.blocks.flatMap(keyColumns), ...requestColumnsOf(service.name, service.request ?? [])]
      : []),
    ...[
      ['action', 'string'],
      ['score', 'double'],
      ['model', 'string'],
      ['model_version', 'int'],
      ['variant', 'string'],
      ['unit', 'string'],
      ...(shadows ? [['acted', 'boolean']] : []),
    ].map(([name, kind]): DecisionColumn => ({ name: name!, type: { kind } as ResultType, of: fieldOf(name!) })),
    ...labels.context.map(contextColumn),
  ];
  const distinct = [...new Map(columns.map((column) => [column.name, column])).values()];
  checkNames(path, [...distinct.map(({ name }) => name), LABEL_COLUMN]);
  const table = duckdb.newName('decided');
  const staging = await FeatureStaging.create(
    duckdb,
    table,
    distinct.map(({ type }) => type),
  );
  const label = await LabelColumn.open(duckdb);
  await duckdb.run(`CREATE TABLE ${DECIDED_READS_TABLE} (row_number BIGINT, decision_id VARCHAR, reads BLOB)`);
  const reads = await RowAppender.open(duckdb, DECIDED_READS_TABLE, [BIGINT, VARCHAR, BLOB]);
  let rows = 0;
  try {
    for await (const batch of scan) {
      signal.throwIfAborted();
      for (const decision of batch) {
        if (decision.label.kind !== 'label') continue;
        const { row } = decision;
        staging.append(
          rows,
          distinct.map(({ of }) => of(decision)),
        );
        label.append(rows, decision.label.value);
        const own = packRow({ reads: row['reads'], request_ids: row['request_ids'] });
        reads.append(BigInt(rows), decision.id, blobValue(own));
        rows++;
      }
    }
  } finally {
    staging.close();
    label.close();
    reads.close();
  }
  const type = await label.type(labels.absent === 0);
  const selected = distinct.map(({ type: of }, index) => `${outputSql(of, `d.f${index}`)} AS c${index}`);
  await duckdb.run(
    `CREATE TABLE ${SPINE_TABLE} AS SELECT ${selected.join(', ')}, ${type.sql} AS c${distinct.length}, d.row_number AS ${ROW_COLUMN}
     FROM ${table} d JOIN ${label.table} l ON l.row_number = d.row_number ORDER BY d.row_number`,
    [],
    signal,
  );
  await duckdb.run(`DROP TABLE ${table}; DROP TABLE ${label.table}`);
  return [
    ...distinct.map(({ name, type: of }, index) => typedColumn(name, outputSqlType(of), index)),
    typedColumn(LABEL_COLUMN, type.name, distinct.length),
  ];
}

function typedColumn(name: string, type: string, index: number): SpineColumn {
  const output = `c${index}`;
  return { name, type, output, raw: { door: 'typed', expression: output, type } };
}

function fieldOf(name: string): DecisionColumn['of'] {
  return ({ row }) => (row[name] ?? null) as ScalarValue;
}

/** Of a context, what is one value as it is; what is not as JSON. */
function contextColumn({ name, type }: FieldSpec): DecisionColumn {
  const isNested = type.kind === 'object' || type.kind === 'array';
  const of = ({ row }: LabelledDecision): ScalarValue => {
    const value = (row['context'] as Row)[name] ?? null;
    return isNested && value !== null ? canonicalJson(jsonOf(value)) : (value as ScalarValue);
  };
  return { name: `context__${name}`, type: isNested ? { kind: 'string' } : type, of };
}

/** int64 is text in JSON. */
function jsonOf(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}` : member)));
}

/** The join keys of a block, of the decision's own read of it. */
function keyColumns(block: ServiceBlock): DecisionColumn[] {
  return block.view.layout.keys.map(({ name, type }, k): DecisionColumn => {
    const convert = scalarOfJson(type);
    return { name: block.columns[k]!, type, of: ({ row }) => memberOf(readOf(row, block.name), 'keys', name, convert) };
  });
}

/** What the service was asked with, of the decision's own read of it. */
function requestColumnsOf(
  service: string,
  fields: readonly { readonly spec: Pick<FieldSpec, 'name' | 'type'> }[],
): DecisionColumn[] {
  return fields.map(({ spec: { name, type } }): DecisionColumn => {
    const convert = scalarOfJson(type as ScalarType);
    return {
      name,
      type: type as ScalarType,
      of: ({ row }) => memberOf(readOf(row, service), 'request', name, convert),
    };
  });
}

function readOf(row: Row, block: string): Row | null {
  return (row['reads'] as readonly Row[]).find((read) => read['block'] === block) ?? null;
}

function memberOf(read: Row | null, text: 'keys' | 'request', name: string, convert: Convert): ScalarValue {
  const json = (read?.[text] ?? null) as string | null;
  if (json === null) return null;
  const value = (parseJson(json) as Readonly<Record<string, JsonValue>>)[name];
  return value == null ? null : ((convert(value) ?? null) as ScalarValue);
}

/** Labels of whatever type, until all are known. */
class LabelColumn {
  readonly table: string;
  readonly #duckdb: DuckDb;
  readonly #appender: RowAppender;

  private constructor(duckdb: DuckDb, table: string, appender: RowAppender) {
    this.#duckdb = duckdb;
    this.table = table;
    this.#appender = appender;
  }

  static async open(duckdb: DuckDb): Promise<LabelColumn> {
    const table = duckdb.newName('labels');
    await duckdb.run(`CREATE TABLE ${table} (row_number BIGINT, number DOUBLE, "is" BOOLEAN, text VARCHAR)`);
    return new LabelColumn(duckdb, table, await RowAppender.open(duckdb, table, [BIGINT, DOUBLE, BOOLEAN, VARCHAR]));
  }

  append(row: number, value: string | number | boolean | null): void {
    const cells: DuckDBValue[] = [null, null, null];
    if (typeof value === 'number') cells[0] = value;
    else if (typeof value === 'boolean') cells[1] = value;
    else cells[2] = value;
    this.#appender.append(BigInt(row), ...cells);
  }

  close(): void {
    this.#appender.close();
  }

  /** The one type that holds them all: numbers as they are, booleans as such unless 0 stands among them, with texts all as text. */
  async type(absentIsZero: boolean): Promise<{ readonly name: string; readonly sql: string }> {
    const [counted] = await this.#duckdb.query<{ numbers: bigint; booleans: bigint; texts: bigint }>(
      `SELECT count(number) AS numbers, count("is") AS booleans, count(text) AS texts FROM ${this.table}`,
    );
    const { numbers, booleans, texts } = counted!;
    if (texts > 0n)
      return { name: 'VARCHAR', sql: `coalesce(l.text, CAST(l."is" AS VARCHAR), CAST(l.number AS VARCHAR))` };
    if (booleans > 0n && numbers === 0n && !absentIsZero) return { name: 'BOOLEAN', sql: 'l."is"' };
    return { name: 'DOUBLE', sql: `coalesce(l.number, CAST(l."is" AS DOUBLE))` };
  }
}
