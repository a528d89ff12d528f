import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../errors/millrace-error.ts';
import { ownModule } from '../installation/own-module.ts';

/** An impure use while definitions are imported: where the user's own code stood. */
export interface ImportUse {
  readonly label: string;
  readonly remedy: string;
  readonly file: string;
  readonly line: number;
}

/** A view as it comes out elsewhere. */
export interface ElsewhereView {
  readonly file: string | null;
  readonly exportName: string;
  /** What it declares that decides values, as text; null where it is faulty. */
  readonly declared: string | null;
  /** Per row function what it gave for the sampled rows, as `rowResults` says it. */
  readonly results: readonly { readonly path: string; readonly texts: readonly string[] }[];
}

/** What a second process saw of a folder of definitions. */
export interface ElsewhereReport {
  readonly uses: readonly ImportUse[];
  readonly views: readonly ElsewhereView[];
  /** Whether importing them changed anything that all code shares (`SharedGlobals`). */
  readonly globalsChanged: boolean;
  /** Why they could not be imported there; null where they could. */
  readonly failure: string | null;
}

/** A second process at work. */
export interface Elsewhere {
  /** Throws MillraceError `definitions-not-probed`, retryable, where the process ended without an answer. */
  readonly report: () => Promise<ElsewhereReport>;
  /** Ends it, where it still runs. */
  readonly stop: () => void;
}

/** How far off the clock is for definitions there, ms: another day of the week, month and year, another time of day. */
export const CLOCK_SHIFT_MS = 400.4 * 86_400_000;
const PATIENCE_MS = 60_000;

/** The time zone and locale of the second process: unlike this one's. No whole hour from UTC; a Turkish i is another letter. */
export function otherPlace(here = Intl.DateTimeFormat().resolvedOptions()): {
  readonly timeZone: string;
  readonly locale: string;
} {
  return {
    timeZone: here.timeZone === 'Pacific/Chatham' ? 'America/St_Johns' : 'Pacific/Chatham',
    locale: here.locale.startsWith('tr') ? 'sv-SE' : 'tr-TR',
  };
}

/**
 * Starts a second process that imports the definitions of a folder in another time zone, locale, environment and folder and with
 * another clock, and runs their row functions.
 *
 * @param folder absolute path
 */
export function askElsewhere(folder: string): Elsewhere {
  let child: ChildProcess;
  try {
    child = startProcess(folder);
  } catch (cause) {
    return { report: () => Promise.reject(notProbed(String(cause), cause)), stop: () => undefined };
  }
  const answer = new Promise<ElsewhereReport>((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-2000)));
    child.once('message', (message) => resolve(message as ElsewhereReport));
    child.once('error', (cause) => reject(notProbed(String(cause), cause)));
    child.once('close', (code, signal) =>
      reject(notProbed(`it ended with ${signal ?? code} and said: ${said.trim()}`)),
    );
  });
  // Whoever never asks is not told.
  answer.catch(() => undefined);
  return {
    report: () => answer,
    stop: () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    },
  };
}

function startProcess(folder: string): ChildProcess {
  const { timeZone, locale } = otherPlace();
  const root = parse(folder).root;
  const script = fileURLToPath(ownModule('./elsewhere-process', import.meta.url));
  const installation = process.env['MILLRACE_INSTALLATION'];
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, folder], {
    cwd: process.cwd() === root ? tmpdir() : root,
    env: {
      TZ: timeZone,
      LC_ALL: `${locale.replace('-', '_')}.UTF-8`,
      // Compiling takes two thirds of its time, and is the same every time.
      NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
      // The topics of decisions and outcomes are those of this installation there, too.
      ...(installation === undefined ? {} : { MILLRACE_INSTALLATION: installation }),
    },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    timeout: PATIENCE_MS,
  });
}

function notProbed(reason: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'definitions-not-probed',
    `the process that tries the definitions elsewhere gave no answer: ${reason}`,
    {
      remedy: 'Try again; if it stays, see that this machine lets Millrace start a second node process.',
      retryable: true,
      httpStatus: 500,
      cause,
    },
  );
}
