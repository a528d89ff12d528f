import { BIGINT, BOOLEAN, DOUBLE, type DuckDBType, type DuckDBValue, VARCHAR } from 'duckdb';
import type { MillraceErrorCode } from '../errors/error-codes.ts';
import { numbersAsWritten } from '../contract/numbers-as-written.ts';
import { refusal } from '../values/convert.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { type Decode, type ValueColumn, valueColumn } from '../history/value-column.ts';
import {
  columnsToRead,
  type LabelColumn,
  type LabelReadings,
  GIVEN_PURPOSE,
  REQUEST_PURPOSE,
  TIME_PURPOSE,
} from './label-columns.ts';
import { READ_TABLE, ROW_COLUMN, SPINE_TABLE } from './spine-columns.ts';
import { isSampled, sampledBy } from './sample.ts';
import type { SpineFault } from './spine-faults.ts';

/** What was read of the labels. */
export interface StagedLabels {
  /** Every fault there is, each kind in a column with its first row and how many there are; with any, the table is of no use. */
  readonly faults: readonly SpineFault[];
  /** Label rows, those that are not in the sample among them; and how many are. */
  readonly rows: number;
  readonly kept: number;
}

/**
 * Reads the labels' keys, times and request ids into `READ_TABLE`, in the forms the engine holds them in.
 *
 * @param sample The share of the entities whose labels are kept; null: all are.
 */
export async function stageLabels(
  duckdb: DuckDb,
  readings: LabelReadings,
  sample: number | null,
  signal: AbortSignal,
): Promise<StagedLabels> {
  const columns = columnsToRead(readings).map((label) => new StagedColumn(label));
  if (columns.length === 0) return { faults: [], rows: 0, kept: 0 };
  const isKept = sample === null ? null : sampler(columns, readings, sample);
  let staged = 0;
  let kept = 0;
  const definitions = columns.map(({ label, form }) => `, ${label.staged} ${form.type.toString()}`);
  await duckdb.run(`CREATE TABLE ${READ_TABLE} (row_number BIGINT${definitions.join('')})`);
  const appender = await RowAppender.open(duckdb, READ_TABLE, [BIGINT, ...columns.map(({ form }) => form.type)]);
  try {
    const expressions = columns.map(({ label }) => `, ${label.column.raw.expression}`);
    const readRow = rawColumn('BIGINT');
    const rows: number[] = [];
    const values: DuckDBValue[] = [];
    for await (const chunk of duckdb.chunks(
      `SELECT ${ROW_COLUMN}${expressions.join('')} FROM ${SPINE_TABLE}`,
      [],
      signal,
    )) {
      readRow(chunk, 0, rows);
      staged += chunk.rowCount;
      let isSound = true;
      for (const [index, column] of columns.entries()) {
        column.read(chunk, index + 1, rows);
        isSound &&= column.isSound;
      }
      if (!isSound) continue;
      for (let row = 0; row < chunk.rowCount; row++) {
        if (isKept !== null && !isKept(row)) continue;
        kept++;
        values.length = 0;
        values.push(BigInt(rows[row] as number));
        for (const column of columns) values.push(column.stored(row));
        appender.append(...values);
      }
    }
  } finally {
    appender.close();
  }
  return { faults: columns.flatMap((column) => column.faults()), rows: staged, kept };
}

/** Whether a row of the chunk at hand, sound as it is, is of an entity of the sample. */
function sampler(
  columns: readonly StagedColumn[],
  readings: LabelReadings,
  fraction: number,
): (row: number) => boolean {
  const by = sampledBy(readings).map((label) => columns.find((column) => column.label === label)!);
  const key: ScalarValue[] = [];
  return (row) => {
    for (let k = 0; k < by.length; k++) key[k] = by[k]!.value(row);
    return isSampled(fraction, key);
  };
}

/** How a read value is held in DuckDB. */
interface StagedForm {
  readonly type: DuckDBType;
  readonly store: (value: unknown) => DuckDBValue;
}

const asIs = (value: unknown): DuckDBValue => value as DuckDBValue;
const asBigint = (value: unknown): DuckDBValue => BigInt(value as number);

/** An exact form that is cheap to compare: decimals and dates as their canonical texts. */
export function stagedForm(type: ScalarType): StagedForm {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
    case 'decimal':
      return { type: VARCHAR, store: asIs };
    case 'boolean':
      return { type: BOOLEAN, store: asIs };
    case 'int64':
      return { type: BIGINT, store: asIs };
    case 'int':
    case 'timestamp':
      return { type: BIGINT, store: asBigint };
    case 'double':
      return { type: DOUBLE, store: asIs };
  }
}

/** Rows of one kind of fault. */
interface FaultyRows {
  count: number;
  /** From 0. */
  first: number;
  what: string;
  remedy: string | null;
}

class StagedColumn {
  readonly label: LabelColumn;
  readonly form: StagedForm;
  readonly #read: ValueColumn;
  readonly #values: unknown[] = [];
  readonly #nulls: FaultyRows = { count: 0, first: Number.POSITIVE_INFINITY, what: '', remedy: null };
  readonly #bad: FaultyRows = { count: 0, first: Number.POSITIVE_INFINITY, what: '', remedy: null };
  #rows: readonly number[] = [];
  #remedy: string | null = null;

  constructor(label: LabelColumn) {
    this.label = label;
    this.form = stagedForm(label.type);
    this.#read = valueColumn(label.column.raw.type, this.#decoder());
  }

  get isSound(): boolean {
    return this.#nulls.count === 0 && this.#bad.count === 0;
  }

  /** @param rows The spine's row numbers of the chunk. */
  read(chunk: Parameters<ValueColumn>[0], column: number, rows: readonly number[]): void {
    this.#rows = rows;
    const values = this.#values;
    this.#read(chunk, column, values, this.#onFault);
    if (this.label.nullable === true) return;
    for (let row = 0; row < chunk.rowCount; row++) if (values[row] === null) this.#note(this.#nulls, row, 'null');
  }

  value(row: number): ScalarValue {
    return this.#values[row] as ScalarValue;
  }

  stored(row: number): DuckDBValue {
    const value = this.#values[row];
    return value === null ? null : this.form.store(value);
  }

  /** Null passes: it has a fault of its own. */
  #decoder(): Decode {
    const { reading, remedyOf, column, nullable = false } = this.label;
    const isJson = column.raw.door === 'json';
    return (raw, reasons) => {
      if (raw === null) return null;
      const given: unknown = isJson ? JSON.parse(raw as string) : raw;
      if (given === null && nullable) return null;
      const value = given === null ? undefined : reading.convert(given);
      if (value !== undefined) return value;
      const reason = refusal(reading, given);
      reasons.push(isJson ? (numbersAsWritten(raw as string, [reason])[0] as string) : reason);
      this.#remedy = remedyOf?.(given) ?? null;
      return undefined;
    };
  }

  readonly #onFault = (row: number, reasons: readonly string[]): void =>
    this.#note(this.#bad, row, reasons.join('; '), this.#remedy);

  #note(faulty: FaultyRows, row: number, what: string, remedy: string | null = null): void {
    faulty.count++;
    const number = this.#rows[row] as number;
    if (number >= faulty.first) return;
    faulty.first = number;
    faulty.what = what;
    faulty.remedy = remedy;
  }

  faults(): SpineFault[] {
    const { column, purpose } = this.label;
    const isTime = purpose === TIME_PURPOSE;
    const isRequest = purpose === REQUEST_PURPOSE || purpose === GIVEN_PURPOSE;
    const ofColumn = isTime ? 'spine-bad-time' : isRequest ? 'spine-bad-request' : null;
    const fault = ({ count, first, what, remedy }: FaultyRows, code: MillraceErrorCode, usual: string): SpineFault[] =>
      count === 0
        ? []
        : [
            {
              code,
              message: `column "${column.name}" (${purpose}), row ${first + 1}: ${what}${andMore(count)}`,
              remedy: remedy ?? usual,
            },
          ];
    return [
      ...fault(
        this.#nulls,
        ofColumn ?? 'spine-null-key',
        `Fill in or drop the rows without a value in "${column.name}".`,
      ),
      ...fault(
        this.#bad,
        ofColumn ?? 'spine-bad-key',
        `Correct or drop these rows of "${column.name}" (row 1 is the first row of labels).`,
      ),
    ];
  }
}

function andMore(count: number): string {
  if (count === 1) return '';
  return count === 2 ? ' (and 1 more row)' : ` (and ${count - 1} more rows)`;
}
