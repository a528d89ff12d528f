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

/**
 * Computes what a service derives, row by row, in one pass over all of them, of what was read for its blocks, of the request in the spine and of the label time.
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
  const { blocks } = reading;
  const errors = await Promise.all(blocks.map(({ table }) => hasErrors(duckdb, table)));
  const columns = [
    'l.row_number',
    'l.time_us',
    ...types.flatMap((ofBlock, b) => ofBlock.map((type, f) => readable(type, `t${b}.f${f}`))),
    ...spine.given.map(({ staged }) => `r.${staged}`),
    ...blocks.flatMap((_, b) => (errors[b]! ? [`x${b}.codes`] : [])),
  ];
  const joins = [
    ...blocks.map(({ table }, b) => `JOIN ${table} t${b} ON t${b}.row_number = l.row_number`),
    ...blocks.flatMap(({ table }, b) =>
      errors[b]! ? [`LEFT JOIN ${errorsByRow(table)} x${b} ON x${b}.row_number = l.row_number`] : [],
    ),
    ...(spine.given.length === 0 ? [] : [`JOIN ${READ_TABLE} r ON r.row_number = l.row_number`]),
  ];
  const staging = await FeatureStaging.create(
    duckdb,
    duckdb.newName('training_derived'),
    derived.map(({ type }) => type),
  );
  try {
    const rows = `SELECT ${columns.join(', ')} FROM ${LABELS_TABLE} l ${joins.join(' ')}`;
    for await (const chunk of duckdb.chunks(rows, [], signal)) {
      for (const row of chunk.getRows()) {
        let at = 0;
        const [number, atUs] = [Number(row[at++]), Number(row[at++])];
        const cells = opens.map((ofBlock) => ofBlock.map((open): Cell => open(row[at++])));
        const asked = row.slice(at, (at += spine.given.length));
        for (let b = 0; b < blocks.length; b++) if (errors[b]!) putErrors(cells[b]!, row[at++]);
        const values = Object.fromEntries(
          given.map(({ name, at: of, read: open }) => [name, open === null ? null : open(asked[of])]),
        );
        staging.append(number, derive(cells, Object.freeze(values), atUs));
      }
    }
  } finally {
    staging.close();
  }
  return staging.table;
}

async function hasErrors(duckdb: DuckDb, table: string): Promise<boolean> {
  return (await duckdb.query(`SELECT 1 FROM ${errorsTable(table)} LIMIT 1`)).length > 0;
}

/** SQL: per row the errors of a staged table, as `putErrors` takes them. */
function errorsByRow(table: string): string {
  return `(SELECT row_number, string_agg(feature || ' ' || code, ',') AS codes FROM ${errorsTable(table)} GROUP BY row_number)`;
}

/** Puts errors in the place of the nulls that stand for them. */
function putErrors(cells: Cell[], codes: unknown): void {
  if (codes === null) return;
  for (const each of (codes as string).split(',')) {
    const [feature, code = ''] = each.split(' ');
    const error = CellError.of(code);
    if (error === undefined) throw internalBug(`no error is called ${code}`);
    cells[Number(feature)] = error;
  }
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
