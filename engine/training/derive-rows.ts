import { createServiceDerive } from '../derived/derive-service.ts';
import { seenOfAll } from '../define/seen-values.ts';
import { type Cell, CellError } from '../values/cell.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { ResultType } from '../values/result-type.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { errorsTable, FeatureStaging } from './feature-staging.ts';
import type { CompiledService } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { Reading } from './reading.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import { READ_TABLE } from './spine-columns.ts';
import { LABELS_TABLE } from './spine-labels.ts';

/** Rows in memory at a time. */
const STEP = 10_000;

/**
 * Computes what a service derives, row by row, of what was read for its blocks, of the request in the spine and of the label time.
 *
 * @returns the table of it: `row_number`, `f0`, … per derived feature, errors in `errorsTable` of it
 */
export async function deriveRows(
  {
    service,
    duckdb,
    signal,
  }: { readonly service: CompiledService; readonly duckdb: DuckDb; readonly signal: AbortSignal },
  spine: PreparedSpine,
  reading: Reading,
): Promise<string> {
  const { derived = [], request = [] } = service;
  const derive = createServiceDerive(
    service.name,
    reading.blocks.map(({ block }) => ({ name: block.name, values: seenOfAll(block.view.layout) })),
    derived,
  );
  const types = reading.blocks.map(({ block }) => block.view.layout.features.map(({ result }) => result));
  const opens = types.map((ofBlock) => ofBlock.map(cellReader));
  const given = request.map(({ spec }) => {
    const at = spine.given.findIndex(({ column }) => column.name === spec.name);
    return { name: spec.name, at, read: at < 0 ? null : cellReader(spine.given[at]!.type) };
  });
  const columns = [
    ...types.flatMap((ofBlock, b) => ofBlock.map((type, f) => `${readable(type, `t${b}.f${f}`)} AS b${b}f${f}`)),
    ...spine.given.map(({ staged }, index) => `r.${staged} AS g${index}`),
  ];
  const joins = reading.blocks.map(({ table }, b) => `JOIN ${table} t${b} ON t${b}.row_number = l.row_number`);
  const read = spine.given.length === 0 ? '' : `JOIN ${READ_TABLE} r ON r.row_number = l.row_number`;
  const staging = await FeatureStaging.create(
    duckdb,
    duckdb.newName('training_derived'),
    derived.map(({ type }) => type),
  );
  try {
    const [bounds] = await duckdb.query<{ n: bigint | null }>(`SELECT max(row_number) AS n FROM ${LABELS_TABLE}`);
    for (let from = 0; from <= Number(bounds?.n ?? -1); from += STEP) {
      signal.throwIfAborted();
      const within = `row_number >= ${from} AND row_number < ${from + STEP}`;
      const errors = await Promise.all(
        reading.blocks.map(async ({ table }) =>
          errorsOf(await duckdb.query(`SELECT * FROM ${errorsTable(table)} WHERE ${within}`)),
        ),
      );
      const rows = await duckdb.query<Record<string, unknown>>(
        `SELECT l.row_number AS n, l.time_us AS at${columns.map((column) => `, ${column}`).join('')}
         FROM ${LABELS_TABLE} l ${joins.join(' ')} ${read} WHERE l.${within.replace('AND ', 'AND l.')} ORDER BY l.row_number`,
        [],
        signal,
      );
      for (const row of rows) {
        const number = Number(row['n']);
        const blocks = opens.map((ofBlock, b) => {
          const wrong = errors[b]!.get(number);
          return ofBlock.map((open, f): Cell => wrong?.get(f) ?? open(row[`b${b}f${f}`]));
        });
        const values = Object.fromEntries(
          given.map(({ name, at, read: open }) => [name, open === null ? null : open(row[`g${at}`])]),
        );
        staging.append(number, derive(blocks, Object.freeze(values), Number(row['at'])));
      }
    }
  } finally {
    staging.close();
  }
  return staging.table;
}

/** The errors of some rows: by row, by feature. */
function errorsOf(
  rows: readonly { readonly row_number: bigint; readonly feature: number; readonly code: string }[],
): ReadonlyMap<number, ReadonlyMap<number, CellError>> {
  const found = new Map<number, Map<number, CellError>>();
  for (const { row_number, feature, code } of rows) {
    const error = CellError.of(code);
    if (error === undefined) throw internalBug(`no error is called ${code}`);
    const row = Number(row_number);
    const ofRow = found.get(row) ?? new Map<number, CellError>();
    found.set(row, ofRow.set(feature, error));
  }
  return found;
}

/** SQL of a staged value in a form that comes out exactly. */
function readable(type: ResultType, staged: string): string {
  return type.kind === 'decimal' ? `CAST(${staged} AS VARCHAR)` : staged;
}

/** A value as it comes out of DuckDB, as the engine has it. */
function cellReader(type: ResultType): (raw: unknown) => ScalarValue {
  return type.kind === 'int' || type.kind === 'timestamp'
    ? (raw) => (raw === null ? null : Number(raw))
    : (raw) => raw as ScalarValue;
}
