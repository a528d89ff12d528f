import { MillraceError } from '../errors/millrace-error.ts';
import { ENGINE_SEMANTICS } from './view-layout.ts';

/** Of everything that was made before versions noted their semantics. */
export const FIRST_SEMANTICS = 1;

/** True of versions that an engine before this one made: they are read on, and nothing is applied to them any more. */
export function isRetired(semantics: number): boolean {
  return semantics < ENGINE_SEMANTICS;
}

/** True of states that this engine reads: its own, and those of the semantics before. */
export function isReadable(semantics: number): boolean {
  return semantics === ENGINE_SEMANTICS || semantics === ENGINE_SEMANTICS - 1;
}

/** What was last proven of a version: said where it can be proven no more. */
export interface ProofSaid {
  readonly text: string;
  /** Null where it was never proven. */
  readonly auditId: number | null;
  readonly verdict: string | null;
}

/**
 * The answer to whoever would apply or replay what a version of earlier semantics was made from (design §16).
 *
 * @param retryable where another process, of an earlier release, may do it
 * @param proof of that version, where it was asked for
 */
export function semanticsRetired(
  view: string,
  version: number | null,
  semantics: number,
  retryable = false,
  proof?: ProofSaid,
): MillraceError {
  return new MillraceError(
    'semantics-retired',
    `view "${view}"${version === null ? '' : `, version ${version}`} was built with engine semantics ${semantics}; this engine applies ${ENGINE_SEMANTICS}, and only reads what was built before${proof === undefined ? '' : `; ${proof.text}`}`,
    {
      remedy:
        'Nothing: its lifecycle builds a version of the present semantics aside and flips to it. Without one, start it: "millrace start".',
      retryable,
      httpStatus: 409,
      details: { view, version, semantics, engine: ENGINE_SEMANTICS, ...(proof === undefined ? {} : { proof }) },
    },
  );
}

/** The answer to whoever would read states that this engine does not know. */
export function semanticsUnreadable(view: string, semantics: number): MillraceError {
  const isNewer = semantics > ENGINE_SEMANTICS;
  return new MillraceError(
    'semantics-mismatch',
    `view "${view}" was built with engine semantics ${semantics}; this engine reads ${ENGINE_SEMANTICS - 1} and ${ENGINE_SEMANTICS}`,
    {
      remedy: isNewer
        ? 'Upgrade this program: readers go before workers.'
        : 'Upgrade one release after the other: each builds the views anew before the next retires what it read.',
      httpStatus: 409,
      details: { view, semantics, engine: ENGINE_SEMANTICS },
    },
  );
}
