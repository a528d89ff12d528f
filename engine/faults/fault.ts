import type { MillraceErrorCode } from '../errors/error-codes.ts';

/**
 * What becomes of work that meets a fault. `wait`: for as long as it takes, saying what for · `retry`: tried a few times, then a person is asked
 * · `stop`: a person is asked at once · `bug`: as `retry`, and it is Millrace's own.
 */
export type Verdict = 'wait' | 'retry' | 'stop' | 'bug';

/** A class of faults: a row of the table. */
export interface Fault {
  readonly verdict: Verdict;
  /** The code of the MillraceError; null where the error is passed on without a name. */
  readonly code: MillraceErrorCode | null;
  /** What tells it: an error's code, name or type; with `*` at its end, all that begin so. A pattern is held against its message. */
  readonly symptoms: readonly (string | RegExp)[];
  /** What has happened, for people; ends a sentence that begins with the service. */
  readonly says: string;
  /** `{address}` stands for the variable that says where the service is. */
  readonly remedy: string;
  readonly httpStatus: number;
}

/** A row whose errors get a name. */
export type NamedFault = Fault & { readonly code: MillraceErrorCode };

export function isNamed(fault: Fault): fault is NamedFault {
  return fault.code !== null;
}
