import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { type FeatureTags, LOCK_FILE, lockedServices, parsedLock } from '../engine/define/feature-lock.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { viewVersion } from '../engine/postgres/view-versions.ts';

/** A service that is bound to features which a version does not have, or has with another meaning. */
export interface BrokenService {
  readonly lock: string;
  readonly service: string;
  readonly features: readonly string[];
}

/** The locks that a command looks at: those it is given, else the one beside the folder of definitions, where there is one. */
export async function locksOf(
  given: readonly string[] | undefined,
  features: string,
): Promise<ReadonlyMap<string, unknown>> {
  const locks = new Map<string, unknown>();
  for (const path of given ?? []) locks.set(path, parsedLock(await readFile(path, 'utf8'), path));
  if (given !== undefined) return locks;
  const beside = join(dirname(features), LOCK_FILE);
  try {
    locks.set(beside, parsedLock(await readFile(beside, 'utf8'), beside));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  return locks;
}

/**
 * The services of the locks whose features a version does not have as they are locked. None of a version that has no tags: it is older than those.
 *
 * @example
 * await brokenServices(pool, 'route_delays', 2, locks); // [{ lock: 'millrace.lock.json', service: 'delay_model', features: ['flights_1d'] }]
 */
export async function brokenServices(
  pool: pg.Pool,
  view: string,
  version: number,
  locks: ReadonlyMap<string, unknown>,
): Promise<BrokenService[]> {
  const tags = (await viewVersion(pool, view, version))?.tags?.features;
  if (tags === undefined) return [];
  return [...locks].flatMap(([lock, content]) =>
    [...lockedServices(content, view)].flatMap(([service, locked]) => {
      const features = differing(locked, tags);
      return features.length === 0 ? [] : [{ lock, service, features }];
    }),
  );
}

function differing(locked: FeatureTags, tags: FeatureTags): string[] {
  return Object.keys(locked).filter((feature) => tags[feature] !== locked[feature]);
}

/** The refusal of a version that breaks services. */
export function servicesWouldBreak(view: string, version: number, broken: readonly BrokenService[]): MillraceError {
  return new MillraceError(
    'services-would-break',
    `version ${version} of view "${view}" does not have, or not with the same meaning, what these are locked to: ${broken.map(told).join('; ')}`,
    {
      remedy:
        'Write their locks anew ("millrace lock") and deploy them with what reads the new meaning; or approve it all the same with --break: until then they are refused those features.',
      httpStatus: 409,
      details: { view, version, services: broken.map(({ service }) => service) },
    },
  );
}

/** For people: which service, by which lock, and which of its features. */
export function told({ lock, service, features }: BrokenService): string {
  return `${service} (${lock}): ${features.join(', ')}`;
}
