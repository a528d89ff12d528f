import { MillraceError } from '../errors/millrace-error.ts';
import { presentOrServed } from './view-logs.ts';
import { readsOf } from '../history/named-history.ts';
import {
  type GridOptions,
  type GridTimes,
  gridTimes,
  DEFAULT_MOST_ROWS,
  type ManifestEntities,
  type ManifestGrid,
} from './grid.ts';
import type { SpineContext } from './reading.ts';
import { outputSql, outputSqlType } from './scalar-sql.ts';
import { READ_TABLE, ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';
import { spineError } from './spine-faults.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { takeSourceCut } from './take-cuts.ts';
import type { ServiceBlock } from '../define/compiled-view.ts';
import { blockText, roleAt } from '../define/service-blocks.ts';
import { manifestSource } from './view-logs.ts';
import { stageEntities } from './view-entities.ts';

/** When an entity that a view has was first seen, in `SPINE_TABLE`. */
const FIRST_COLUMN = 'first_us';
const GRID_TABLE = 'training_grid';

/** Entities that rows are made of, in `SPINE_TABLE`: a row each. */
export interface LoadedGrid {
  readonly options: GridOptions;
  readonly times: GridTimes;
  /** Whose, and as of when; null: of a file. */
  readonly entitiesOf: ManifestEntities | null;
}

/** How large a grid is. */
export interface GridSize {
  /** Entities with a row. */
  readonly entities: number;
  readonly rows: number;
}

/** What a spine of a view's entities is called, where files have a path. */
export function entitiesOfText(block: Parameters<typeof blockText>[0]): string {
  return `of the entities of ${blockText(block)}`;
}

/** Puts the entities that a block's view has by the last step into `SPINE_TABLE`, in the order of their keys. Throws what reading its log does. */
export async function loadViewEntities(
  context: SpineContext,
  block: ServiceBlock,
  options: GridOptions,
  timeZone: string | null,
): Promise<{ readonly columns: SpineColumn[]; readonly grid: LoadedGrid }> {
  const { duckdb, signal } = context;
  const times = gridTimes(options, timeZone);
  const { view } = block;
  const { source } = view;
  const then = context.options.repeatOf?.spine.grid?.entitiesOf;
  const cut = then === undefined ? await takeSourceCut(context, source) : then.cut;
  const reads =
    then === undefined
      ? (await presentOrServed(context, view)).reads
      : readsOf(source, 'the training set to repeat', then.history);
  const table = duckdb.newName('view_entities');
  const files = await stageEntities(context, { source, cut, reads }, view, lastStepUs(times), table);
  const { keys } = view.layout;
  const columns = keys.map(({ type }, k) => `${outputSql(type, `k${k}`)} AS c${k}`);
  await duckdb.run(
    `CREATE TABLE ${SPINE_TABLE} AS SELECT ${columns.join(', ')}, ${FIRST_COLUMN}, id AS ${ROW_COLUMN} FROM ${table}`,
    [],
    signal,
  );
  await duckdb.run(`DROP TABLE ${table}`);
  const { history } = manifestSource(source.name, cut, files);
  const { name, fingerprint } = view;
  return {
    columns: keys.map(({ type }, k) => typedColumn(block.columns[k]!, outputSqlType(type), k)),
    grid: {
      options,
      times,
      entitiesOf: { view: name, ...roleAt(block), fingerprint, source: source.name, cut, history },
    },
  };
}

/** How many rows a grid of the entities in `READ_TABLE` has. Throws `grid-too-large`, `empty-spine`. */
export async function gridSize(
  { duckdb, signal }: Pick<SpineContext, 'duckdb' | 'signal'>,
  grid: LoadedGrid,
  path: string,
): Promise<GridSize> {
  const { steps } = grid.times;
  const [found] = await duckdb.query<{ entities: bigint; n: bigint; staged: bigint }>(
    `SELECT count(*) FILTER (WHERE first < ${steps}) AS entities, count(*) AS staged,
       CAST(coalesce(sum(greatest(0, ${steps} - first)), 0) AS BIGINT) AS n
     FROM (${firstSteps(grid)})`,
    [],
    signal,
  );
  const [entities, rows] = [Number(found?.entities), Number(found?.n)];
  if (rows === 0) throw noRows(grid, path);
  const { maxRows = DEFAULT_MOST_ROWS } = grid.options;
  if (rows <= maxRows) return { entities, rows };
  throw new MillraceError(
    'grid-too-large',
    `spine ${path}: ${entities} entities at up to ${steps} times are ${rows} rows; at most ${maxRows} are made`,
    {
      remedy:
        'Take a longer step (every), a shorter time, a sample of the entities (CLI: --sample), or allow as many (maxRows; CLI: --max-rows).',
      details: { entities, steps, rows, maxRows },
    },
  );
}

/**
 * Makes a row of every entity and step it is known at, in the order of time, then of the entities: in `SPINE_TABLE`, with the time beside its columns, and in `READ_TABLE`.
 *
 * @returns the column of the time
 */
export async function crossTimes(
  { duckdb, signal }: Pick<SpineContext, 'duckdb' | 'signal'>,
  grid: LoadedGrid,
  columns: readonly SpineColumn[],
  timeColumn: string,
): Promise<SpineColumn> {
  const { fromUs, everyUs, steps } = grid.times;
  await duckdb.run(
    `CREATE TABLE ${GRID_TABLE} AS SELECT row_number() OVER () - 1 AS ${ROW_COLUMN}, base, time_us FROM (
       SELECT base, ${fromUs} + step * ${everyUs} AS time_us
       FROM (${firstSteps(grid)}) JOIN range(${steps}) s(step) ON step >= first
       ORDER BY time_us, base
     )`,
    [],
    signal,
  );
  const time = typedColumn(timeColumn, 'TIMESTAMP WITH TIME ZONE', columns.length);
  const passed = grid.entitiesOf === null ? '' : `, ${FIRST_COLUMN}`;
  await replace(READ_TABLE, `g.time_us, t.* EXCLUDE (${ROW_COLUMN})`);
  await replace(SPINE_TABLE, `t.* EXCLUDE (${ROW_COLUMN}${passed}), make_timestamptz(g.time_us) AS ${time.output}`);
  await duckdb.run(`DROP TABLE ${GRID_TABLE}`);
  return time;

  async function replace(table: string, list: string): Promise<void> {
    const made = `${table}_of_grid`;
    await duckdb.run(
      `CREATE TABLE ${made} AS SELECT g.${ROW_COLUMN}, ${list} FROM ${GRID_TABLE} g JOIN ${table} t ON t.${ROW_COLUMN} = g.base`,
      [],
      signal,
    );
    await duckdb.run(`DROP TABLE ${table}`);
    await duckdb.run(`ALTER TABLE ${made} RENAME TO ${table}`);
  }
}

/** What the manifest says of a grid. */
export function manifestGrid({ options, times, entitiesOf }: LoadedGrid, { entities }: GridSize): ManifestGrid {
  return {
    ...(entitiesOf === null ? {} : { entitiesOf }),
    every: options.every,
    from: formatDateTime(times.fromUs),
    to: formatDateTime(times.untilUs),
    steps: times.steps,
    entities,
  };
}

/** SQL: per entity that was read, `base` (its row) and `first`, the number of the first step after its first event. */
function firstSteps({ times: { fromUs, everyUs }, entitiesOf }: LoadedGrid): string {
  const first =
    entitiesOf === null
      ? '0'
      : `CASE WHEN s.${FIRST_COLUMN} < ${fromUs} THEN 0 ELSE (s.${FIRST_COLUMN} - ${fromUs}) // ${everyUs} + 1 END`;
  return `SELECT r.${ROW_COLUMN} AS base, ${first} AS first FROM ${READ_TABLE} r JOIN ${SPINE_TABLE} s ON s.${ROW_COLUMN} = r.${ROW_COLUMN}`;
}

function lastStepUs({ fromUs, everyUs, steps }: GridTimes): number {
  return fromUs + (steps - 1) * everyUs;
}

/** A column of `SPINE_TABLE` of our own making. */
function typedColumn(name: string, type: string, index: number): SpineColumn {
  const output = `c${index}`;
  return { name, type, output, raw: { door: 'typed', expression: output, type } };
}

function noRows({ options }: LoadedGrid, path: string): MillraceError {
  return spineError(path, [
    {
      code: 'empty-spine',
      message: `zero rows: no entity had an event before the last step of every ${options.every} from ${options.from} to ${options.to}`,
      remedy: 'Take a later time, or look at the history of the source: an entity is known from its first event on.',
    },
  ]);
}
