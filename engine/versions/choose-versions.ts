import { MillraceError } from '../errors/millrace-error.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';

/**
 * Which two versions are meant where nobody says: the live one and the candidate that is built beside it, else the one served before and the
 * live one.
 *
 * @param known of the view
 * @throws MillraceError `view-not-published`, `unknown-version` where there is nothing to compare the live one with
 * @example
 * const { before, after } = chosenVersions('route_delays', await versions(pool, 'route_delays'));
 */
export function chosenVersions(
  view: string,
  known: readonly ViewVersion[],
): { readonly before: number; readonly after: number } {
  const newestFirst = known.toSorted((a, b) => b.version - a.version);
  const live = newestFirst.find(({ status }) => status === 'live');
  if (live === undefined)
    throw new MillraceError('view-not-published', `no version of view "${view}" is live`, {
      remedy: 'Start it ("millrace start"), or name two versions: --versions 1,2.',
      httpStatus: 409,
      details: { view },
    });
  const candidate = newestFirst.find(({ status, version }) => status === 'built' && version > live.version);
  if (candidate !== undefined) return { before: live.version, after: candidate.version };
  const previous = newestFirst
    .filter(({ status }) => status === 'superseded')
    .sort((a, b) => (b.endedAtUs ?? 0) - (a.endedAtUs ?? 0))[0];
  if (previous !== undefined) return { before: previous.version, after: live.version };
  throw new MillraceError(
    'unknown-version',
    `view "${view}" has version ${live.version} alone: there is nothing to compare it with`,
    {
      remedy: 'Compare it with the definitions: "millrace plan --against live". Or build the next version first.',
      httpStatus: 404,
      details: { view, live: live.version },
    },
  );
}
