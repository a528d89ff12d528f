import { BIGINT, BLOB, BOOLEAN, blobValue, DOUBLE, type DuckDBValue, VARCHAR } from 'duckdb';
import type { CompiledService, Row } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { LabelledDecision, LabelScan } from '../labels/label-scan.ts';
import { packRow } from '../labels/packed-row.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import type { FieldSpec, ScalarType, ScalarValue } from '../values/field-type.ts';
import { type JsonValue, scalarOfJson } from '../values/json-values.ts';
import { parseJson } from '../values/parse-json.ts';
import type { ResultType } from '../values/result-type.ts';
import { FeatureStaging } from './feature-staging.ts';
import { DECIDED_COLUMN, DECISION_COLUMN, LABEL_COLUMN, type LabelOptions } from './label-spine.ts';
import { ownReadsOf, readsOf } from './reads-of.ts';
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
  const asked = isTimed ? askedColumns(service) : [];
  const isAsked = new Set(asked.map(({ name }) => name));
  const columns: DecisionColumn[] = [
    { name: DECISION_COLUMN, type: { kind: 'string' }, of: ({ id }) => id },
    { name: DECIDED_COLUMN, type: { kind: 'timestamp' }, of: ({ timeUs }) => timeUs },
    ...asked,
    ...[
      ['action', 'string'],
      ['score', 'double'],
      ['model', 'string'],
      ['model_version', 'int'],
      ['variant', 'string'],
      ['unit', 'string'],
      ...(shadows ? [['acted', 'boolean']] : []),
    ]
      .map(([name, kind]): DecisionColumn => ({ name: name!, type: { kind } as ResultType, of: fieldOf(name!) }))
      // What the service is asked by is what rows are read by.
      .filter(({ name }) => !isAsked.has(name)),
    ...labels.context.map(contextColumn),
  ];
  checkNames(path, [...columns.map(({ name }) => name), LABEL_COLUMN]);
  const table = duckdb.newName('decided');
  const staging = await FeatureStaging.create(
    duckdb,
    table,
    columns.map(({ type }) => type),
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
          columns.map(({ of }) => of(decision)),
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
  const selected = columns.map(({ type: of }, index) => `${outputSql(of, `d.f${index}`)} AS c${index}`);
  await duckdb.run(
    `CREATE TABLE ${SPINE_TABLE} AS SELECT ${selected.join(', ')}, ${type.sql} AS c${columns.length}, d.row_number AS ${ROW_COLUMN}
     FROM ${table} d JOIN ${label.table} l ON l.row_number = d.row_number ORDER BY d.row_number`,
    [],
    signal,
  );
  await duckdb.run(`DROP TABLE ${table}; DROP TABLE ${label.table}`);
  return [
    ...columns.map(({ name, type: of }, index) => typedColumn(name, outputSqlType(of), index)),
    typedColumn(LABEL_COLUMN, type.name, columns.length),
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

/** What a service is asked by, as the decision's own reads have it: join keys, and what a request gives. Each name once. */
function askedColumns(service: CompiledService): DecisionColumn[] {
  const places = [
    ...service.blocks.flatMap(({ view, name: block, columns }) =>
      view.layout.keys.map(({ name, type }, k): AskedPlace => {
        const readsIn = (row: Row): readonly Row[] => readsOf(row, service.name, block, view.name);
        return { column: columns[k]!, type, valuesIn: membersOf(readsIn, 'keys', name, type) };
      }),
    ),
    ...(service.request ?? []).map(({ spec: { name, type } }): AskedPlace => {
      const readsIn = (row: Row): readonly Row[] => ownReadsOf(row, service.name);
      return { column: name, type: type as ScalarType, valuesIn: membersOf(readsIn, 'request', name, type) };
    }),
  ];
  return [...Map.groupBy(places, ({ column }) => column)].map(([name, same]): DecisionColumn => {
    const of = ({ id, row }: LabelledDecision): ScalarValue => {
      const values = new Set(same.flatMap(({ valuesIn }) => valuesIn(row)));
      if (values.size > 1) throw severalAsked(id, name, [...values]);
      const [value = null] = values;
      return value;
    };
    return { name, type: same[0]!.type, of };
  });
}

/** Where reads have the value of a column. */
interface AskedPlace {
  readonly column: string;
  readonly type: ScalarType;
  readonly valuesIn: (row: Row) => readonly ScalarValue[];
}

/** The values of a member of a read's JSON text, those that are none left out. */
function membersOf(
  readsIn: (row: Row) => readonly Row[],
  text: 'keys' | 'request',
  name: string,
  type: FieldSpec['type'],
): AskedPlace['valuesIn'] {
  const convert = scalarOfJson(type as ScalarType);
  return (row) =>
    readsIn(row).flatMap((read) => {
      const json = (read[text] ?? null) as string | null;
      const value = json === null ? null : (parseJson(json) as Readonly<Record<string, JsonValue>>)[name];
      const converted = value == null ? undefined : (convert(value) as ScalarValue | undefined);
      return converted === undefined || converted === null ? [] : [converted];
    });
}

function severalAsked(decision: string, column: string, values: readonly ScalarValue[]): MillraceError {
  const first = values.slice(0, 2).map((value) => JSON.stringify(String(value)));
  return new MillraceError(
    'request-ambiguous',
    `decision "${decision}" read several entities: its reads have ${values.length} values of "${column}": ${first.join(' and ')}${values.length > 2 ? ', …' : ''}`,
    {
      remedy: 'Let a decision carry the reads of what it decided about; of several things decide one by one.',
      httpStatus: 409,
    },
  );
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
    await duckdb.run(
      `CREATE TABLE ${table} (row_number BIGINT, number DOUBLE, "is" BOOLEAN, text VARCHAR, shown VARCHAR)`,
    );
    const types = [BIGINT, DOUBLE, BOOLEAN, VARCHAR, VARCHAR];
    return new LabelColumn(duckdb, table, await RowAppender.open(duckdb, table, types));
  }

  append(row: number, value: string | number | boolean | null): void {
    const cells: DuckDBValue[] = [null, null, null, value === null ? null : String(value)];
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
    // As evaluations and programs write them: a database's text of 0 is 0.0.
    if (texts > 0n) return { name: 'VARCHAR', sql: 'l.shown' };
    if (booleans > 0n && numbers === 0n && !absentIsZero) return { name: 'BOOLEAN', sql: 'l."is"' };
    return { name: 'DOUBLE', sql: `coalesce(l.number, CAST(l."is" AS DOUBLE))` };
  }
}
