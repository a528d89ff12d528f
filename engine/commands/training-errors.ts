import { MillraceError } from '../errors/millrace-error.ts';
import type { OutputTail } from './output-keeper.ts';
import type { CommandEnd } from './run-command.ts';

/** Of the last lines, in an error's message. */
const LINES_TOLD = 12;
const CHARS_TOLD = 1_200;

interface Limits {
  readonly command: readonly string[] | string;
  readonly silenceMs: number;
  readonly timeoutMs: number;
  readonly memoryBytes: number | null;
}

/** The error for a command that did not end by itself, or not with exit code 0. */
export function commandFailed(
  { by, exitCode, signal, tail, overMemoryBytes }: CommandEnd,
  limits: Limits,
): MillraceError {
  const details = { exitCode, signal, lines: tail.lineCount };
  const how = shown(limits.command);
  switch (by) {
    case 'silence':
      return new MillraceError(
        'training-silent',
        `${how} said nothing for ${minutes(limits.silenceMs)} and was ended${said(tail)}`,
        { remedy: 'Let it print a line as it goes on, or give a longer "silence".', details },
      );
    case 'timeout':
      return new MillraceError(
        'training-too-long',
        `${how} ran for ${minutes(limits.timeoutMs)} and was ended${said(tail)}`,
        {
          remedy: 'Give it less to do, or a longer "timeout".',
          details,
        },
      );
    case 'memory':
      return new MillraceError(
        'training-over-memory',
        `${how} held ${megabytes(overMemoryBytes ?? 0)} with all it started, of ${megabytes(limits.memoryBytes ?? 0)} that it may, and was ended${said(tail)}`,
        { remedy: 'Train on fewer rows ("sample"), or give it more "memoryMb".', details },
      );
    case 'itself': {
      const why = signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
      const remedy =
        signal === 'SIGKILL'
          ? 'The system may have ended it for the memory it took: see its log, and the log of the machine.'
          : 'See its log; run it by hand on the training set of an export. Then start the training again.';
      return new MillraceError('training-command-failed', `${how} ended with ${why}${said(tail)}`, { remedy, details });
    }
  }
}

/** The error for a command that ended well and left no model. */
export function noModel(command: Limits['command'], tail: OutputTail): MillraceError {
  return new MillraceError(
    'training-left-no-model',
    `${shown(command)} ended with exit code 0 and left no model${said(tail)}`,
    {
      remedy: 'Let it write the model to the file that MILLRACE_MODEL_OUT names.',
    },
  );
}

/** The error for what a command left and cannot be taken. */
export function unfitLeft(what: string, why: string, tail: OutputTail): MillraceError {
  return new MillraceError('unfit-model-file', `the ${what} that the command left ${why}${said(tail)}`, {
    remedy: `Let it write ${what === 'model' ? 'the parameters' : what === 'metrics' ? 'one JSON object of numbers and texts' : 'CSV of decision_id and score'} to the file that MILLRACE_${what.toUpperCase()}_OUT names; of what is larger, what names it.`,
  });
}

function said({ lines }: OutputTail): string {
  const last = lines.slice(-LINES_TOLD).join('\n');
  if (last.trim() === '') return '; it said nothing';
  return `; its last lines:\n${last.length <= CHARS_TOLD ? last : `…${last.slice(1 - CHARS_TOLD)}`}`;
}

function shown(command: Limits['command']): string {
  const text = typeof command === 'string' ? command : command.join(' ');
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}

function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} minutes`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}
