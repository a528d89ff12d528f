import { fenceStream as fence } from '../engine/stream/fence-stream.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** After this no stream of the version with an older generation can commit, however long its worker was frozen. */
export async function fenceStream(
  deps: ActivityDeps,
  input: { readonly view: string; readonly version: number; readonly generation: number },
): Promise<void> {
  await fence({ pool: deps.pool, ...input });
}
