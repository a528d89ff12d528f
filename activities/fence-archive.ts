import { fenceArchive as fence } from '../engine/archive/fence-archive.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** After this no archiver of the source with an older generation can add anything, however long its worker was frozen. */
export async function fenceArchive(
  deps: ActivityDeps,
  input: { readonly source: string; readonly generation: number },
): Promise<void> {
  await fence({ pool: deps.pool, ...input });
}
