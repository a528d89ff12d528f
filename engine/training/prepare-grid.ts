import { invariant } from '../errors/millrace-error.ts';
import { type GridOptions, type GridPlan, gridTimes } from './grid.ts';
import { crossTimes, entitiesOfText, gridSize, type GridSize, loadViewEntities, manifestGrid } from './load-grid.ts';
import {
  loadFile,
  type LoadedSpine,
  type PreparedSpine,
  sortSpine,
  type StagedSpine,
  stageSpine,
} from './prepare-spine.ts';
import type { SpineContext } from './reading.ts';
import { findSpineFile } from './spine-file.ts';

/** Makes a spine of entities at regular times. Throws as `exportTrainingSet` does of one. */
export async function prepareGrid(context: SpineContext, options: GridOptions): Promise<PreparedSpine> {
  const { staged, grid, size } = await stageGrid(context, options);
  const time = await crossTimes(context, grid, staged.columns, staged.timeColumn);
  return await sortSpine(context, { ...staged, columns: [...staged.columns, time] }, manifestGrid(grid, size));
}

/** How large it would be: its entities are read, and no rows made. Throws as `prepareGrid`. */
export async function sizeOfGrid(context: SpineContext, options: GridOptions): Promise<GridPlan> {
  const { staged, grid, size } = await stageGrid(context, options);
  return { ...manifestGrid(grid, size), rows: size.rows, sample: staged.sample };
}

interface StagedGrid {
  readonly staged: StagedSpine;
  readonly grid: NonNullable<LoadedSpine['grid']>;
  readonly size: GridSize;
}

async function stageGrid(context: SpineContext, options: GridOptions): Promise<StagedGrid> {
  const staged = await stageSpine(context, (special, timeZone) => loadEntities(context, options, special, timeZone));
  const { grid, path } = staged;
  invariant(grid !== null, 'entities without times');
  return { staged, grid, size: await gridSize(context, grid, path) };
}

/** Puts the entities into `SPINE_TABLE`. */
async function loadEntities(
  context: SpineContext,
  options: GridOptions,
  special: ReadonlySet<string>,
  timeZone: string | null,
): Promise<LoadedSpine> {
  const { entitiesOf, entities = '' } = options;
  if (entitiesOf === undefined) {
    const grid = { options, times: gridTimes(options, timeZone), entitiesOf: null };
    return { ...(await loadFile(context, await findSpineFile(entities), special)), grid };
  }
  const { columns, grid } = await loadViewEntities(context, entitiesOf, options, timeZone);
  const of = { path: null, sizeBytes: null, sha256: null, isRead: false };
  return { path: entitiesOfText(entitiesOf), of, columns, grid };
}
