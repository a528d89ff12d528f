import { MillraceError } from '../errors/millrace-error.ts';

export const MAX_REQUEST_ID_CHARACTERS = 128;

const requestIdText = /^[\x21-\x7e]{1,128}$/;

/**
 * A request id as given by a caller. An id that could not be logged as it is would be one that no decision and no outcome meets again, so
 * it is refused rather than replaced.
 *
 * @throws MillraceError `invalid-request-id` unless it has 1 to 128 visible ASCII characters, no space.
 */
export function checkRequestId(given: unknown): string {
  if (typeof given === 'string' && requestIdText.test(given)) return given;
  throw new MillraceError(
    'invalid-request-id',
    `the request id has to have 1 to ${MAX_REQUEST_ID_CHARACTERS} visible ASCII characters without spaces, received ${JSON.stringify(given)?.slice(0, 160)}`,
    { remedy: 'Give another id, or none: then one is made.' },
  );
}
