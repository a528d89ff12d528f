import { MillraceError } from '../errors/millrace-error.ts';
import type { Definitions } from './compiled-view.ts';
import { viewsOf } from './service-blocks.ts';

/** Feature to tag. */
export type FeatureTags = Readonly<Record<string, string>>;

/**
 * What `millrace.lock.json` holds: the tags of all features of a folder of definitions, by service and view. It is committed with the application
 * that reads them, and says what the application was written against.
 */
export interface FeatureLock {
  readonly services: Readonly<Record<string, Readonly<Record<string, FeatureTags>>>>;
  /** Views that no service names. */
  readonly views: Readonly<Record<string, FeatureTags>>;
}

/** The file a lock is in, beside the folder of definitions. */
export const LOCK_FILE = 'millrace.lock.json';

/** The lock of definitions. */
export function lockOf({ services, views }: Pick<Definitions, 'services' | 'views'>): FeatureLock {
  const tagsOf = (names: readonly string[]): Record<string, FeatureTags> =>
    Object.fromEntries(names.toSorted().map((name) => [name, views.get(name)?.tags?.features ?? {}]));
  const named = new Set([...services.values()].flatMap((service) => viewsOf(service).map(({ name }) => name)));
  return {
    services: Object.fromEntries(
      [...services.values()]
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((service) => [service.name, tagsOf(viewsOf(service).map(({ name }) => name))]),
    ),
    views: tagsOf([...views.keys()].filter((name) => !named.has(name))),
  };
}

/** The text of the file: one feature a line, so that a review shows which changed. */
export function lockText(lock: FeatureLock): string {
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/**
 * A lock as it was read from a file, by view.
 *
 * @throws MillraceError `invalid-lock` where it is none, and where two services say different things of one view
 */
export function lockedViews(lock: unknown): ReadonlyMap<string, FeatureTags> {
  const views = new Map<string, FeatureTags>();
  const take = (place: string, given: unknown): void => {
    for (const [view, tags] of entriesOf(place, given)) {
      const at = `${place}.${view}`;
      const own = Object.fromEntries(entriesOf(at, tags).map(([name, tag]) => [name, tagAt(`${at}.${name}`, tag)]));
      const known = views.get(view);
      if (known !== undefined && JSON.stringify(sorted(known)) !== JSON.stringify(sorted(own))) {
        throw invalidLock(`${at}: another place of the lock has other tags for this view`);
      }
      views.set(view, own);
    }
  };
  const parts = new Map(entriesOf('the lock', lock));
  for (const [service, given] of entriesOf('services', parts.get('services'))) take(`services.${service}`, given);
  take('views', parts.get('views'));
  return views;
}

/** The services of a lock that name a view, each with the tags it is locked to. Throws MillraceError `invalid-lock` as `lockedViews` does. */
export function lockedServices(lock: unknown, view: string): ReadonlyMap<string, FeatureTags> {
  const locked = lockedViews(lock).get(view);
  const services = new Map(entriesOf('the lock', lock)).get('services');
  return new Map(
    locked === undefined
      ? []
      : entriesOf('services', services).flatMap(([service, views]) =>
          entriesOf(`services.${service}`, views).some(([name]) => name === view) ? [[service, locked]] : [],
        ),
  );
}

/** The content of a lock's file. Throws MillraceError `invalid-lock` where it is no JSON. */
export function parsedLock(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MillraceError('invalid-lock', `${path} is no JSON: ${String(cause)}`, {
      remedy: 'Write it anew: "millrace lock".',
      cause,
    });
  }
}

function sorted(tags: FeatureTags): [string, string][] {
  return Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function entriesOf(place: string, given: unknown): [string, unknown][] {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return Object.entries(given);
  throw invalidLock(`${place}: expected an object, received ${given === null ? 'null' : typeof given}`);
}

function tagAt(place: string, given: unknown): string {
  if (typeof given === 'string' && /^[0-9a-f]{16}$/.test(given)) return given;
  throw invalidLock(`${place}: expected a tag of 16 hex digits, received ${JSON.stringify(given)}`);
}

function invalidLock(message: string): MillraceError {
  return new MillraceError('invalid-lock', message, {
    remedy: `Write it anew: "millrace lock". Where ${LOCK_FILE} was merged by hand, take either side first.`,
  });
}
