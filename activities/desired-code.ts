import type { CompiledView } from '../engine/define/compiled-view.ts';
import { unknownView } from '../engine/define/known-code.ts';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import { desiredView } from '../engine/postgres/desired-views.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import type { ActivityDeps } from './activity-deps.ts';

/**
 * The view as it is to be built: the definition that was applied last, whatever this worker was started with. Where none was, the worker's own; where it
 * has none, what is served. Throws `unknown-view` where neither applied, nor at hand, nor served, and what `VersionCode.viewOf` throws.
 */
export async function desiredCode(
  { definitions, code, pool }: Pick<ActivityDeps, 'definitions' | 'code' | 'pool'>,
  view: string,
): Promise<CompiledView> {
  const here = definitions.views.get(view);
  const desired = await desiredView(pool, view);
  if (desired === null && here !== undefined) return here;
  const fingerprint = (desired ?? (await liveVersion(pool, view)))?.fingerprint;
  if (fingerprint === undefined) throw unknownView(view, [...definitions.views.keys()], definitions.folder);
  try {
    return await code.viewOf({ view, fingerprint });
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'semantics-retired') throw error;
    // The very definition that was applied, by the semantics of now: an upgrade builds it without anybody applying it again.
    if (here !== undefined && (await here.fingerprintBefore?.()) === fingerprint) return here;
    throw error;
  }
}
