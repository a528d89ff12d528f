import { MillraceError } from '../errors/millrace-error.ts';

/** More than a bundle may hold. Sizes in bytes. */
export function bundleTooLarge(what: string, bytes: number, most: number): MillraceError {
  return new MillraceError('bundle-too-large', `${what}: ${bytes} bytes, at most ${most} are allowed`, {
    remedy: 'Import less: keep tables out of the code, and name the parts of a package that are used.',
    httpStatus: 413,
    details: { bytes, most },
  });
}

/** The code of a definition cannot stand for itself. @param subject `view "x"` */
export function bundleIncomplete(subject: string, reason: string, cause?: unknown): MillraceError {
  return new MillraceError('bundle-incomplete', `${subject} cannot be bundled: ${reason}`, {
    remedy: 'Import only modules whose code is text, by paths and names that are written down; read no files.',
    httpStatus: 409,
    details: { subject },
    cause,
  });
}

/** A stored bundle does not run here. @param subject `view "x"` */
export function bundleUnfit(subject: string, fingerprint: string, reason: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'bundle-unfit',
    `the bundle of ${subject} (${fingerprint.slice(0, 12)}) does not run here: ${reason}`,
    {
      remedy: 'Run the releases of Node and Millrace that it was applied with, or apply the definition again.',
      httpStatus: 409,
      details: { subject, fingerprint },
      cause,
    },
  );
}

/** What a bundle is called in messages: hex digits are long. */
export function shortName(fingerprint: string): string {
  return /^[0-9a-f]+$/.test(fingerprint) ? fingerprint.slice(0, 12) : fingerprint;
}

/** A bundle is not the one that was stored. */
export function bundleTampered(fingerprint: string, reason: string): MillraceError {
  return new MillraceError('bundle-tampered', `the bundle ${shortName(fingerprint)} was tampered with: ${reason}`, {
    remedy: 'Find out who wrote to it; then import it again from where it is whole.',
    httpStatus: 409,
    details: { fingerprint },
  });
}
