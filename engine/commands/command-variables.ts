import { MillraceError } from '../errors/millrace-error.ts';
import { childEnvironment } from '../installation/child-environment.ts';

/** What the run itself says, or what keeps a command in its folder. */
const OURS = /^(?:MILLRACE_\w*|HOME|TMPDIR|TMP|TEMP|PWD)$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;
const MOST_BYTES = 16 * 1024;

/** Where a command may leave files that are its own. */
export interface CommandPlaces {
  readonly home: string;
  readonly temporary: string;
}

/**
 * All variables of a command: where things are (PATH, language, time zone), what the operator passes on by name, what whoever runs it sets, and what the run
 * says. Nothing else of ours: no password, key or token.
 *
 * @param passed names of our variables that the operator lets commands have
 * @param given checked by `checkGivenVariables`
 * @param said by the run itself, as MILLRACE_TRAINING_SET
 * @example
 * commandVariables(process.env, { home, temporary }, ['CUDA_VISIBLE_DEVICES'], { SEED: '7' }, { MILLRACE_TRAINING_SET: '/…/training.parquet' });
 */
export function commandVariables(
  ours: NodeJS.ProcessEnv,
  { home, temporary }: CommandPlaces,
  passed: readonly string[],
  given: Readonly<Record<string, string>>,
  said: Readonly<Record<string, string>>,
): Record<string, string> {
  const plain = Object.entries(childEnvironment(ours)).filter(([name]) => !name.startsWith('XDG_'));
  const named = passed.map((name) => [name, ours[name]] as const);
  const all = {
    // What it says is told as it is said, and not when a buffer is full.
    PYTHONUNBUFFERED: '1',
    ...Object.fromEntries([...plain, ...named]),
    ...given,
    ...said,
    HOME: home,
    TMPDIR: temporary,
    TMP: temporary,
    TEMP: temporary,
  };
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** Throws MillraceError `bad-command-variables` for names that are none, or that are the run's own, and for more than 16 kB. */
export function checkGivenVariables(given: Readonly<Record<string, string>>): void {
  const fail = (why: string): MillraceError =>
    new MillraceError('bad-command-variables', `the environment of the command: ${why}`, {
      remedy: `Names are letters, digits and "_"; HOME, TMPDIR and what begins with MILLRACE_ are the run's own. What is long goes into a file beside the code.`,
    });
  for (const name of Object.keys(given)) {
    if (!NAME.test(name)) throw fail(`${JSON.stringify(name)} is no name of a variable`);
    if (OURS.test(name)) throw fail(`${name} is set by the run`);
    if (given[name]?.includes('\0') === true) throw fail(`${name} has a NUL`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(given));
  if (bytes > MOST_BYTES) throw fail(`${bytes} bytes; at most ${MOST_BYTES} are taken`);
}
