import { type Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { CommonOptions } from '../command-context.ts';

/** What `millrace evaluate` is told. */
export interface EvaluateOptions extends CommonOptions {
  readonly model: string;
  readonly from: string;
  readonly to: string;
  readonly labels?: string | undefined;
  readonly asOf?: string | undefined;
  readonly against?: string | undefined;
  readonly segments?: readonly string[] | undefined;
  readonly positive?: string | undefined;
  readonly baseRate?: number | undefined;
  readonly sample?: number | undefined;
  readonly scores?: string | undefined;
  readonly candidate?: string | undefined;
  readonly policy?: string | undefined;
  readonly reward?: string | undefined;
  readonly html?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

/** Adds the options of `millrace evaluate`. */
export function withEvaluateOptions(command: Command): Command {
  return command
    .requiredOption('--model <model>', 'whose scores: late (what its champion is), or a version, late@7')
    .requiredOption('--from <time>', 'decisions from then on: an ISO time, or a date for its first instant in UTC')
    .requiredOption('--to <time>', 'and before then')
    .option('--labels <set>', 'the label set (default: the only one of the definitions)')
    .option('--as-of <time>', 'labels as they were known then (default: the latest time for which they can be told)')
    .option('--against <model>', 'another version, of the same days beside it, as late@6')
    .option(
      '--segments <fields>',
      'also by each value of these: fields of the context, unit, action, variant, stage, day',
      listOf,
    )
    .option('--positive <text>', 'of labels that are texts, the one that scores are the chance of')
    .option(
      '--base-rate <rate>',
      'the rate (or mean) that was known before (default: the metric baseRate of the model, else that of the rows)',
      rateOf,
    )
    .option('--sample <share>', 'of the units this share, by a hash of them, as 0.1', shareOf)
    .option(
      '--scores <file>',
      'the scores of --model for what others decided: decision_id, score (Parquet, CSV, JSONL)',
    )
    .option('--candidate <model>', 'what this version, which decided in shadow, would have brought, as late@7')
    .option('--policy <file>', 'what a policy would have brought: decision_id, action, propensity, a row per action')
    .option('--reward <file>', 'a cost matrix as JSON: action to label to reward (default: the label is the reward)')
    .option('--html <file>', 'also write it as one page with plots')
    .option('--dry-run', 'say how many decisions would be used, and measure nothing');
}

/** What the command line alone can tell to be wrong. Throws MillraceError `bad-options`. */
export function checkEvaluateOptions({ candidate, policy, reward }: EvaluateOptions): void {
  if (reward !== undefined && candidate === undefined && policy === undefined)
    throw new MillraceError(
      'bad-options',
      '--reward says what actions are worth, and there is no policy to judge by it',
      {
        remedy: 'Name one with --candidate or --policy, or leave --reward out.',
      },
    );
}

function listOf(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('expected names with commas between them, as origin,carrier');
}

function rateOf(text: string): number {
  const rate = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(rate)) return rate;
  throw new InvalidArgumentError('expected a number, as 0.2');
}

function shareOf(text: string): number {
  const share = Number(text);
  if (share > 0 && share <= 1) return share;
  throw new InvalidArgumentError('expected a share above 0 and up to 1, as 0.1');
}
