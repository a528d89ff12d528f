import { MillraceError } from '../errors/millrace-error.ts';

/** More than a bundle may hold. Sizes in bytes. */
export function bundleTooLarge(what: string, bytes: number, most: number): MillraceError {
  return new MillraceError('bundle-too-large', `${what}: ${bytes} bytes, at most ${most} are allowed`, {
    remedy: 'Import less: keep tables out of the code, and name the parts of a package that are used.',
    httpStatus: 413,
    details: { bytes, most },
  });
}

/** The code of a view cannot stand for itself. */
export function bundleIncomplete(view: string, reason: string, cause?: unknown): MillraceError {
  return new MillraceError('bundle-incomplete', `view "${view}" cannot be bundled: ${reason}`, {
    remedy: 'Import only modules whose code is text, by paths and names that are written down; read no files.',
    httpStatus: 409,
    details: { view },
    cause,
  });
}

/** A stored bundle does not run here. */
export function bundleUnfit(view: string, fingerprint: string, reason: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'bundle-unfit',
    `the bundle of view "${view}" (${fingerprint.slice(0, 12)}) does not run here: ${reason}`,
    {
      remedy: 'Run the releases of Node and Millrace that it was applied with, or apply the definition again.',
      httpStatus: 409,
      details: { view, fingerprint },
      cause,
    },
  );
}

/** A bundle is not the one that was stored. */
export function bundleTampered(fingerprint: string, reason: string): MillraceError {
  return new MillraceError('bundle-tampered', `the bundle ${fingerprint.slice(0, 12)} was tampered with: ${reason}`, {
    remedy: 'Find out who wrote to it; then import it again from where it is whole.',
    httpStatus: 409,
    details: { fingerprint },
  });
}
