import type { CompiledSource, CompiledView } from '../engine/define/compiled-view.ts';
import { isCodeNotAtHand } from '../engine/define/known-code.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { liveIdentities } from '../engine/postgres/view-versions.ts';
import { SERVED_SOURCE, servedSource } from '../engine/served/served-source.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { desiredCode } from './desired-code.ts';

/**
 * A source as it is archived, or the serving log. The same on all workers: as the views that are served from it are to be, else as they are; where there
 * are none, by this worker's definitions. Throws `unknown-source`.
 */
export async function sourceNamed(deps: ActivityDeps, name: string): Promise<CompiledSource> {
  if (name === SERVED_SOURCE) return servedSource(deps.servedTopic);
  for (const { view, source, fingerprint } of await liveIdentities(deps.pool)) {
    if (source !== name) continue;
    for (const ask of [() => desiredCode(deps, view), () => deps.code.viewOf({ view, fingerprint })]) {
      const found = await orNull(ask);
      if (found?.source.name === name) return found.source;
    }
  }
  const own = deps.definitions.sources.get(name);
  if (own !== undefined) return own;
  const known = [...deps.definitions.sources.keys(), SERVED_SOURCE].join(', ');
  throw new MillraceError(
    'unknown-source',
    `no source "${name}" in this worker's definitions, and no view that is served has it; known: ${known}`,
    {
      remedy: 'Correct the name, or restart the worker with the definitions that have it.',
      httpStatus: 404,
      details: { folder: deps.definitions.folder },
    },
  );
}

async function orNull(ask: () => Promise<CompiledView>): Promise<CompiledView | null> {
  try {
    return await ask();
  } catch (error) {
    if (isCodeNotAtHand(error)) return null;
    throw error;
  }
}
