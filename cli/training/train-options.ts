import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { EXPORT_MODES } from '../../workflows/export-training-set/contract.ts';
import {
  TRAIN_ALIASES,
  TRAIN_APPROVALS,
  type TrainInput,
  type TrainMinimum,
} from '../../workflows/train-model/contract.ts';
import { type LabelTimeOptions, withLabelTimes } from '../label-times.ts';

/** What a training is asked for by a command line. */
export interface TrainOptions extends LabelTimeOptions {
  readonly file?: string | undefined;
  readonly service?: string | undefined;
  readonly labels?: string | undefined;
  readonly spine?: string | undefined;
  readonly entities?: string | undefined;
  readonly entitiesOf?: string | undefined;
  readonly step?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly mode?: TrainInput['mode'];
  readonly sample?: number | undefined;
  readonly split?: number | undefined;
  readonly command?: string | undefined;
  readonly workdir?: string | undefined;
  readonly variable?: Readonly<Record<string, string>> | undefined;
  readonly timeout?: string | undefined;
  readonly silence?: string | undefined;
  readonly memoryMb?: number | undefined;
  readonly minimum?: TrainMinimum | undefined;
  readonly approve?: TrainInput['approve'];
  readonly as?: TrainInput['as'];
  readonly rollout?: string | undefined;
}

/** Adds the options of `TrainOptions`. */
export function withTrainOptions(command: Command): Command {
  return withLabelTimes(
    command
      .option('--file <file>', 'a JSON object of all that follows, by its names in docs/train.md; options change it')
      .option('--service <name>', 'the feature service whose features are learned from')
      .option('--labels <set>', 'the label set that says what came of decisions')
      .option('--spine <file>', 'in its place a file of labels: Parquet, CSV or JSONL')
      .option('--entities-of <view>', 'in its place every entity of a view, at every step')
      .option('--entities <file>', 'in its place the entities of a file, at every step')
      .option('--step <duration>', 'of entities: from one step to the next, e.g. 1d')
      .option('--from <time>', 'an ISO time or a date, or counted from the start: now, -90d')
      .option('--to <time>', 'the same of the end, which is not in it'),
  )
    .addOption(
      new Option('--mode <mode>', 'as of export: event-time, as-served or, of labels, decided').choices(EXPORT_MODES),
    )
    .option('--sample <share>', 'the rows of this share of the entities, as 0.1', shareOf)
    .option(
      '--split <share>',
      'this share of the rows, the earliest, to train on, as 0.8, the rest to test with',
      shareOf,
    )
    .option('--command <text>', 'what trains: a text for the shell, in the folder of the code')
    .option('--workdir <folder>', 'the folder of the code, in MILLRACE_TRAINING_DIR of the workers (default: that)')
    .option('--variable <name=value>', 'a variable for the command; may be repeated; no secrets', variableOf)
    .option('--timeout <duration>', 'the longest it may run (default 6h)')
    .option('--silence <duration>', 'the longest it may say nothing (default 10m)')
    .option('--memory-mb <n>', 'what all its processes together may hold (default: no limit)', wholeOf)
    .option(
      '--minimum <condition>',
      'what its metrics must say, as "auc>=0.7", "logLoss<base-rate" or "logLoss<champion"',
      minimumOf,
    )
    .addOption(new Option('--approve <when>', 'before what a person is asked').choices(TRAIN_APPROVALS))
    .addOption(
      new Option('--as <alias>', 'what stands for the new version (default challenger)').choices(TRAIN_ALIASES),
    )
    .option('--rollout <file>', 'a JSON object: the rollout that is opened with the new version');
}

/**
 * The input of a training, of a file and of options. The workflow checks it; paths become absolute, since workers may run elsewhere in the file system.
 *
 * @throws MillraceError `training-file-unreadable`
 */
export async function trainInputOf(model: string, options: TrainOptions): Promise<TrainInput> {
  const file = options.file === undefined ? {} : await jsonOf(options.file);
  const { step, time, timeZone, timeAt, variable, spine, entities, rollout, file: _, ...others } = options;
  const given = {
    ...withAbsolute(file, options.file === undefined ? '.' : dirname(options.file)),
    ...defined({
      service: others.service,
      labels: others.labels,
      entitiesOf: others.entitiesOf,
      from: others.from,
      to: others.to,
      mode: others.mode,
      sample: others.sample,
      split: others.split,
      command: others.command,
      workdir: others.workdir,
      timeout: others.timeout,
      silence: others.silence,
      memoryMb: others.memoryMb,
      minimum: others.minimum,
      approve: others.approve,
      as: others.as,
      spine: spine === undefined ? undefined : resolve(spine),
      entities: entities === undefined ? undefined : resolve(entities),
      every: step,
      timeColumn: time,
      timeZone,
      timeAt,
      environment: variable,
      rollout: rollout === undefined ? undefined : await jsonOf(rollout),
    }),
  };
  // What is wrong or missing the workflow tells, by name.
  return { ...given, model } as unknown as TrainInput;
}

/** Paths in a file are meant from where it stands. */
function withAbsolute(file: Readonly<Record<string, unknown>>, from: string): Readonly<Record<string, unknown>> {
  const paths = ['spine', 'entities'].flatMap((name) => {
    const path = file[name];
    return typeof path === 'string' ? [[name, resolve(from, path)]] : [];
  });
  return { ...file, ...Object.fromEntries(paths) };
}

async function jsonOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    throw new Error('it is no JSON object');
  } catch (cause) {
    throw new MillraceError(
      'training-file-unreadable',
      `${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { remedy: 'Name a file with one JSON object: docs/train.md has examples.', cause },
    );
  }
}

function defined(given: Partial<Record<keyof TrainInput, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function shareOf(text: string): number {
  const share = /^0?\.\d{1,9}$/.test(text) ? Number(text) : 0;
  if (share > 0) return share;
  throw new InvalidArgumentError('expected a number above 0 and below 1, e.g. 0.8');
}

function wholeOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number of at least 1');
}

function variableOf(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, value] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('expected NAME=VALUE');
  return { ...before, [name]: value };
}

/** `auc>=0.7`, `logLoss<=0.5`, `logLoss<champion`, `auc>base-rate` */
function minimumOf(text: string): TrainMinimum {
  const [, measure = '', sign = '', bound = ''] = /^\s*([^<>=\s]+)\s*(<=|>=|<|>)\s*(\S+)\s*$/.exec(text) ?? [];
  const number = bound === '' ? Number.NaN : Number(bound);
  if (sign === '>=' && Number.isFinite(number)) return { measure, atLeast: number };
  if (sign === '<=' && Number.isFinite(number)) return { measure, atMost: number };
  if ((sign === '<' || sign === '>') && (bound === 'champion' || bound === 'base-rate'))
    return { measure, betterThan: bound, better: sign === '<' ? 'lower' : 'higher' };
  throw new InvalidArgumentError('expected as "auc>=0.7", "logLoss<=0.5", "logLoss<base-rate" or "auc>champion"');
}
