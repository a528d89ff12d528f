import type { TileRows } from '../reduce/tile-rows.ts';
import type { EntityState } from './view-reducer.ts';

/** The state of one entity: per group of the layout, its tiles. */
export interface TileState extends EntityState {
  newestEventTimeUs: number;
  readonly groups: readonly TileRows[];
}
