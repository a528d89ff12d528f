import type { CompiledService, CompiledView } from '../engine/define/compiled-view.ts';
import { blockOf, columnsByKey, viewsOf } from '../engine/define/service-blocks.ts';
import { isCodeNotAtHand } from '../engine/define/known-code.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import type { TrainingManifest } from '../engine/training/training-types.ts';
import type { ActivityDeps } from './activity-deps.ts';

/**
 * A service by the code that serves its views, so that training equals serving whatever definitions this worker was started with; of an export
 * to be repeated, by the code of then. A view that nobody is served, or whose code was never stored, is the worker's own.
 */
export async function serviceAsServed(
  deps: Pick<ActivityDeps, 'code' | 'pool'>,
  service: CompiledService,
  repeatOf: Pick<TrainingManifest, 'views'> | undefined,
): Promise<CompiledService> {
  const viewOf = (view: CompiledView): Promise<CompiledView> =>
    viewAsServed(deps, view, repeatOf?.views.find((read) => read.view === view.name)?.fingerprint);
  const views = new Map<CompiledView, CompiledView>();
  for (const view of viewsOf(service)) views.set(view, await viewOf(view));
  return {
    ...service,
    blocks: service.blocks.map((block) => blockOf(views.get(block.view)!, block.name, columnsByKey(block))),
  };
}

/** One view by the code that serves it; `then`: by that code. */
export async function viewAsServed(
  deps: Pick<ActivityDeps, 'code' | 'pool'>,
  view: CompiledView,
  then: string | undefined,
): Promise<CompiledView> {
  const fingerprint = then ?? (await liveVersion(deps.pool, view.name))?.fingerprint ?? view.fingerprint;
  if (fingerprint === view.fingerprint) return view;
  try {
    return await deps.code.viewOf({ view: view.name, fingerprint });
  } catch (error) {
    if (isCodeNotAtHand(error)) return view;
    throw error;
  }
}
