import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ReasonTally } from './reason-tally.ts';

/** The refusal of a log of which too much is invalid, with the three commonest reasons, their counts and an example of each. */
export function tooManyInvalid(
  source: CompiledSource,
  found: string,
  allowed: string,
  reasons: ReasonTally,
): MillraceError {
  const commonest = reasons.commonest();
  return new MillraceError(
    'too-many-invalid-records',
    `source "${source.name}": ${found}; allowed: ${allowed}.${commonest === '' ? '' : ` The commonest reasons: ${commonest}`}`,
    {
      remedy:
        "Correct the data or the source's contract, or raise its `invalidLimit`. Records that are to stay as they are: " +
        `millrace dead-letters accept ${source.name} --partition P --until OFFSET (P is "history" for its files). Nothing was published or written.`,
      details: { source: source.name, rate: source.invalidLimit.rate, window: source.invalidLimit.window },
    },
  );
}
