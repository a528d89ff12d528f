import { createInterface } from 'node:readline/promises';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/** Where a person is asked: a terminal, or not. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** Standard input and standard error: standard output is the result's. */
export const TERMINAL: Terminal = { input: process.stdin, output: process.stderr };

/**
 * Throws MillraceError `not-confirmed` where there is nobody to ask. To be called before anything is looked up: a script is told at once.
 *
 * @param what the command, as it is typed: `retire clicks_1h`
 */
export function refuseUnasked(what: string, { input, output }: Terminal = TERMINAL): void {
  if (input.isTTY === true && output.isTTY === true) return;
  throw new MillraceError('not-confirmed', `${what} drops what it is about, and there is no terminal to ask on`, {
    remedy: `Say so beforehand: millrace ${what} --yes`,
    httpStatus: 409,
  });
}

/**
 * Asks, and goes on only at `y` or `yes`. Throws MillraceError `not-confirmed` at any other answer, and at the end of the input.
 *
 * @example
 * await confirm('retire clicks_1h', 'Readers are served nothing any more.');
 */
export async function confirm(what: string, consequence: string, terminal: Terminal = TERMINAL): Promise<void> {
  refuseUnasked(what, terminal);
  const asking = createInterface({ input: terminal.input, output: terminal.output });
  try {
    const ended = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
    const answer = await Promise.race([asking.question(`${consequence}\n${what}? [y/N] `), ended]);
    if (/^\s*y(es)?\s*$/i.test(answer)) return;
  } finally {
    asking.close();
  }
  throw new MillraceError('not-confirmed', `${what} was not confirmed: nothing was done`, {
    remedy: 'Answer "y", or give --yes.',
    httpStatus: 409,
  });
}
