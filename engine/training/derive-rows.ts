import { createServiceDerive } from '../derived/derive-service.ts';
import { type DerivedCode, derivedCodeOf } from '../define/derived-code.ts';
import { seenOfAll } from '../define/seen-values.ts';
import { type Cell, CellError } from '../values/cell.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { derivedLayout } from '../served/service-to-log.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { errorsTable, FeatureStaging } from './feature-staging.ts';
import type { CompiledService } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { BlockReading, Reading } from './reading.ts';
import { readableSql, valueReader } from './staged-values.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import { presentFeatures } from './served-definitions.ts';
import { READ_TABLE } from './spine-columns.ts';
import { LABELS_TABLE, type TimeRange } from './spine-labels.ts';

/** Code, and the labels' times that it derives at. */
export interface DerivingTime extends TimeRange {
  /** Null: it derived nothing. */
  readonly code: DerivedCode | null;
}

/** By the definition at hand, whenever. */
export function atAllTimes(service: CompiledService): readonly DerivingTime[] {
  return [{ fromUs: Number.NEGATIVE_INFINITY, untilUs: Number.POSITIVE_INFINITY, code: derivedCodeOf(service) }];
}

/**
 * Computes what a service derives, row by row, in one pass over all of them, of what was read for its blocks, of the request in the spine and of the
 * label time: by the code of that time. Rows of no such time have nulls.
 *
 * @param times they do not overlap
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
  times: readonly DerivingTime[],
): Promise<string> {
  const { derived = [] } = service;
  const nothing: readonly Cell[] = derived.map(() => null);
  const deriving = times.map(({ fromUs, untilUs, code }) => ({
    fromUs,
    untilUs,
    derive: code === null ? null : rowDeriver(service, spine, reading, code),
  }));
  const types = reading.blocks.map((block) => layoutOf(block).features.map(({ result }) => result));
  const opens = types.map((ofBlock) => ofBlock.map(valueReader));
  const { blocks } = reading;
  const errors = await Promise.all(blocks.map(({ table }) => hasErrors(duckdb, table)));
  const columns = [
    'l.row_number',
    'l.time_us',
    ...types.flatMap((ofBlock, b) => ofBlock.map((type, f) => readableSql(type, `t${b}.f${f}`))),
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
        const derive = deriving.find(({ fromUs, untilUs }) => fromUs <= atUs && atUs < untilUs)?.derive ?? null;
        if (derive === null) {
          staging.append(number, nothing);
          continue;
        }
        const cells = opens.map((ofBlock) => ofBlock.map((open): Cell => open(row[at++])));
        const asked = row.slice(at, (at += spine.given.length));
        for (let b = 0; b < blocks.length; b++) if (errors[b]!) putErrors(cells[b]!, row[at++]);
        staging.append(number, derive(cells, asked, atUs));
      }
    }
  } finally {
    staging.close();
  }
  return staging.table;
}

function layoutOf({ layout, block }: BlockReading): Pick<ViewLayout, 'features'> {
  return layout ?? block.view.layout;
}

/** Runs code over the cells of all blocks as they were read, and gives those of the service's present derived features. */
function rowDeriver(
  service: CompiledService,
  { given }: PreparedSpine,
  { blocks }: Reading,
  code: DerivedCode,
): (read: readonly (readonly Cell[])[], given: readonly unknown[], atUs: number) => Cell[] {
  const derive = createServiceDerive(
    service.name,
    code.blocks.map((block) => ({ name: block.name, values: seenOfAll(block) })),
    code.derived,
  );
  const seen = code.blocks.map(({ name, features }) => {
    const at = blocks.findIndex(({ block }) => block.name === name);
    const places = at < 0 ? [] : presentFeatures({ features }, layoutOf(blocks[at]!));
    return { at, places: places.map((place) => place ?? notRead(name)) };
  });
  const asked = code.request.map(({ spec: { name } }) => {
    const at = given.findIndex(({ column }) => column.name === name);
    return { name, at, open: at < 0 ? null : valueReader(given[at]!.type) };
  });
  const derivedThen = { features: code.derived.map(derivedLayout) };
  const thenOf = presentFeatures({ features: (service.derived ?? []).map(derivedLayout) }, derivedThen);
  return (read, values, atUs) => {
    const request = asked.map(({ name, at, open }) => [name, open === null ? null : open(values[at])] as const);
    const cells = derive(
      seen.map(({ at, places }) => places.map((place) => read[at]![place]!)),
      Object.freeze(Object.fromEntries(request)),
      atUs,
    );
    return thenOf.map((then) => (then === undefined ? null : cells[then]!));
  };
}

function notRead(name: string): never {
  throw internalBug(`not all that is derived of "${name}" was read`);
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
