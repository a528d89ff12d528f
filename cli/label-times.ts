import { type Command, Option } from 'commander';
import type { TimeAt } from '../engine/training/label-time.ts';
import { TIME_ATS } from '../workflows/export-training-set/contract.ts';

/** How the times of label rows are read, as a command line says it. */
export interface LabelTimeOptions {
  readonly time?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly timeAt?: TimeAt | undefined;
}

/** Adds the options of `LabelTimeOptions`, which every command that takes label rows has. */
export function withLabelTimes(command: Command): Command {
  return command
    .option('--time <column>', "the spine's timestamp column (default event_timestamp)")
    .option(
      '--time-zone <zone>',
      'the zone of times that have none: UTC, or a name as Europe/Berlin (else they are refused)',
    )
    .addOption(
      new Option(
        '--time-at <end>',
        'what a date as label time stands for: the start of its day, or its end, the midnight after (else dates are refused)',
      ).choices(TIME_ATS),
    );
}
