import type { MillraceErrorCode } from '../errors/error-codes.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { CompiledView } from './compiled-view.ts';
import type { VersionCode } from './version-code.ts';

/**
 * The code of these views, and of no others: of definitions at hand, where no bundles are.
 *
 * @example
 * const view = await codeOf(definitions.views.values()).viewOf({ view: 'route_delays', fingerprint });
 */
export function codeOf(views: Iterable<CompiledView>): VersionCode {
  const known = [...views];
  return {
    viewOf: async ({ view: name, fingerprint }) => {
      const named = known.filter((view) => view.name === name);
      const found = named.find((view) => view.fingerprint === fingerprint);
      if (found !== undefined) return found;
      if (named.length === 0) throw unknownView(name, [...new Set(known.map((view) => view.name))]);
      throw codeNotAtHand(name, fingerprint, named[0]!.fingerprint);
    },
  };
}

/** The answer to whoever asks for a view that is defined nowhere. */
export function unknownView(name: string, known: readonly string[], folder?: string): MillraceError {
  return new MillraceError(
    'unknown-view',
    `no view "${name}" in the definitions at hand; known: ${known.length === 0 ? 'none' : known.join(', ')}`,
    {
      remedy:
        'Correct the name, or run it with the definitions that have it: "millrace apply" stores them for all workers.',
      httpStatus: 404,
      details: folder === undefined ? {} : { folder },
    },
  );
}

/** The answer to whoever asks for the code of a version that nobody stored. */
export function codeNotAtHand(name: string, fingerprint: string, here: string | null): MillraceError {
  return new MillraceError(
    'definition-changed',
    `view "${name}": the code of ${fingerprint.slice(0, 12)} was never stored, and the definition at hand is ${here === null ? 'gone' : here.slice(0, 12)}`,
    {
      remedy:
        'Run with the definitions of then, or bring its code here ("millrace bundle import"); or send "rebackfill" to build the present definition aside and flip to it.',
      httpStatus: 409,
      details: { running: fingerprint, worker: here },
    },
  );
}

const NOT_AT_HAND: ReadonlySet<string> = new Set<MillraceErrorCode>([
  'definition-changed',
  'unknown-view',
  'semantics-retired',
]);

/** Whether it says that the code of a version is not to be had: nobody stored it, or this engine applies it no more. */
export function isCodeNotAtHand(error: unknown): boolean {
  return isMillraceError(error) && NOT_AT_HAND.has(error.code);
}
