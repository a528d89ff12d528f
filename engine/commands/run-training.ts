import { randomUUID } from 'node:crypto';
import { copyFile, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';
import { checkProgram, codeFolder } from './code-folder.ts';
import { checkGivenVariables, commandVariables } from './command-variables.ts';
import type { OutputTail } from './output-keeper.ts';
import { type CommandEnd, runCommand } from './run-command.ts';
import { commandFailed, noModel, unfitLeft } from './training-errors.ts';
import { makeWorkFolder, type WorkFolder } from './work-folder.ts';

const LOG_MOST_BYTES = 64 * 2 ** 20;
/** As much as is read of it as metrics, and some: what is larger is refused there, by name. */
const METRICS_MOST_BYTES = 2 ** 20;

/** Ten million decisions and more. */
const SCORES_MOST_BYTES = 2 ** 30;

/** What may run here, as the operator says. */
export interface CommandRules {
  /** The folders that commands may run in, absolute; none: nothing may. */
  readonly roots: readonly string[];
  /** Names of our variables that commands get. */
  readonly passed: readonly string[];
}

/** A command as whoever starts a training names it. */
export interface TrainingCommand {
  /** Program and arguments; one text is for /bin/sh. */
  readonly command: readonly string[] | string;
  /** The folder of its code, in one of the roots. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface TrainingRunOptions extends TrainingCommand {
  readonly rules: CommandRules;
  /** A folder of this process. */
  readonly scratch: string;
  readonly model: string;
  /** What it is to be trained on. */
  readonly set: { readonly trainFile: string; readonly testFile: string | null; readonly manifest: string };
  /** What the run says beside: as `MILLRACE_MODEL`. */
  readonly said?: Readonly<Record<string, string>> | undefined;
  /** Where what it left goes; `log` has its output while it runs. */
  readonly left: {
    readonly model: string;
    readonly metrics: string;
    readonly scores: string;
    readonly log: string;
  };
  readonly mostModelBytes: number;
  readonly silenceMs: number;
  readonly timeoutMs: number;
  readonly memoryBytes: number | null;
  readonly onOutput?: ((tail: OutputTail) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a training came to. */
export interface TrainingRun {
  readonly modelBytes: number;
  /** Whether it left metrics. */
  readonly hasMetrics: boolean;
  /** Whether it left scores of decisions. */
  readonly hasScores: boolean;
  readonly codeSha256: string;
  readonly seconds: number;
  readonly tail: OutputTail;
  readonly logFault: string | null;
}

/** What could be told of a command without running it. Throws MillraceError as `codeFolder`, `checkProgram` and `checkGivenVariables` do. */
export function checkCommand(rules: CommandRules, { command, folder, environment }: TrainingCommand): string {
  const real = codeFolder(rules.roots, folder);
  checkProgram(programOf(command).program);
  checkGivenVariables(environment);
  return real;
}

/**
 * Runs somebody's training: in a folder made for it with a copy of its code, told by variables where the training set is and where the model is to go. What it
 * left is put in its place whole, or not at all; of a run that failed nothing but the log stays.
 *
 * @throws MillraceError as `checkCommand`, `makeWorkFolder` and `runCommand`; `training-command-failed`, `training-silent`, `training-too-long`,
 * `training-over-memory`, `training-left-no-model`, `unfit-model-file`
 */
export async function runTraining(options: TrainingRunOptions): Promise<TrainingRun> {
  const from = checkCommand(options.rules, options);
  const work = await makeWorkFolder(options.scratch, from);
  try {
    const end = await run(options, work);
    if (end.by !== 'itself' || end.exitCode !== 0) throw commandFailed(end, options);
    const taken = await take(options, work, end);
    const { seconds, tail, logFault } = end;
    return { ...taken, codeSha256: work.codeSha256, seconds, tail, logFault };
  } finally {
    await work.remove();
  }
}

function programOf(command: readonly string[] | string): {
  readonly program: string;
  readonly args: readonly string[];
} {
  if (typeof command === 'string') return { program: 'sh', args: ['-c', command] };
  const [program = '', ...args] = command;
  return { program, args };
}

async function run(options: TrainingRunOptions, work: WorkFolder): Promise<CommandEnd> {
  const { set, model, environment, rules, left } = options;
  return await runCommand({
    ...programOf(options.command),
    cwd: work.code,
    environment: commandVariables(process.env, work, rules.passed, environment, {
      ...options.said,
      MILLRACE_MODEL: model,
      MILLRACE_TRAINING_SET: set.trainFile,
      ...(set.testFile === null ? {} : { MILLRACE_TEST_SET: set.testFile }),
      MILLRACE_MANIFEST: set.manifest,
      MILLRACE_MODEL_OUT: join(work.out, 'model'),
      MILLRACE_METRICS_OUT: join(work.out, 'metrics.json'),
      MILLRACE_SCORES_OUT: join(work.out, 'scores.csv'),
    }),
    mark: randomUUID(),
    silenceMs: options.silenceMs,
    timeoutMs: options.timeoutMs,
    memoryBytes: options.memoryBytes,
    logFile: left.log,
    logMostBytes: LOG_MOST_BYTES,
    onOutput: options.onOutput,
    signal: options.signal,
  });
}

async function take(
  { left, mostModelBytes, command }: TrainingRunOptions,
  work: WorkFolder,
  { tail }: CommandEnd,
): Promise<Pick<TrainingRun, 'modelBytes' | 'hasMetrics' | 'hasScores'>> {
  const model = join(work.out, 'model');
  const modelBytes = await sizeOf('model', model, mostModelBytes, tail);
  if (modelBytes === null) throw noModel(command, tail);
  if (modelBytes === 0) throw unfitLeft('model', 'is empty', tail);
  const metrics = join(work.out, 'metrics.json');
  const hasMetrics = (await sizeOf('metrics', metrics, METRICS_MOST_BYTES, tail)) !== null;
  const scores = join(work.out, 'scores.csv');
  const hasScores = (await sizeOf('scores', scores, SCORES_MOST_BYTES, tail)) !== null;
  // Of an attempt before.
  for (const file of [left.metrics, left.scores]) await rm(file, { force: true });
  if (hasMetrics) await put(metrics, left.metrics);
  if (hasScores) await put(scores, left.scores);
  await put(model, left.model);
  return { modelBytes, hasMetrics, hasScores };
}

/** Null where nothing is there. A link would give out what it points to. */
async function sizeOf(what: string, path: string, mostBytes: number, tail: OutputTail): Promise<number | null> {
  const about = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (about === null) return null;
  if (!about.isFile()) throw unfitLeft(what, 'is no plain file', tail);
  if (about.size <= mostBytes) return about.size;
  throw unfitLeft(what, `has ${about.size} bytes; at most ${mostBytes} are taken`, tail);
}

async function put(from: string, to: string): Promise<void> {
  const aside = `${to}.${randomUUID()}.tmp`;
  try {
    await copyFile(from, aside);
    await rename(aside, to);
  } catch (cause) {
    await rm(aside, { force: true });
    throw cause;
  }
}

/** Makes the folder of a run, in which all its workers find its files. */
export async function makeRunFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new MillraceError(
      'archive-not-writable',
      `cannot make ${folder}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { remedy: 'Let the worker write in MILLRACE_ARCHIVE_DIR.', httpStatus: 500, cause },
    );
  }
}
