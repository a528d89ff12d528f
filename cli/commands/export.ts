import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  EXPORT_MODES,
  type ExportInput,
  type ExportLabelSize,
  type ExportMode,
  type ExportSize,
  type ExportSummary,
} from '../../workflows/export-training-set/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { type LabelTimeOptions, withLabelTimes } from '../label-times.ts';
import { followWorkflow } from '../follow-workflow.ts';
import { printExport } from '../print-export.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

interface ExportOptions extends CommonOptions, LabelTimeOptions {
  readonly service: string;
  readonly spine?: string | undefined;
  readonly labels?: string | undefined;
  readonly asOf?: string | undefined;
  readonly model?: string | undefined;
  readonly variant?: string | undefined;
  readonly shadows?: boolean | undefined;
  readonly out?: string | undefined;
  readonly entitiesOf?: string | undefined;
  readonly entities?: string | undefined;
  readonly every?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly maxRows?: number | undefined;
  readonly dryRun?: boolean | undefined;
  readonly mode?: ExportMode | undefined;
  readonly requestColumn?: string | undefined;
  readonly missing?: 'error' | 'null' | undefined;
  readonly onError?: 'fail' | 'null' | undefined;
  readonly compare?: boolean | undefined;
  readonly sample?: number | undefined;
  readonly split?: number | undefined;
  readonly overwrite?: boolean | undefined;
  readonly repeat?: string | undefined;
}

/** `millrace export --service S --spine F --out F`, or with `--labels SET --from T --to T`, or `--entities-of VIEW --every 1d --from T --to T` in place of the spine. */
export function addExportCommand(program: Command): void {
  const command = withLabelTimes(
    program
      .command('export')
      .description('write a training set: every spine row with what was known at its time')
      .requiredOption('--service <name>', 'the feature service')
      .option('--spine <file>', 'the label rows: Parquet, CSV or JSONL')
      .option('--labels <set>', 'in place of a spine: decisions of a time, with their labels by a label set')
      .option('--as-of <time>', 'of labels: when they are asked for (default: the latest time they can be told of)')
      .option('--model <name>', 'of labels: decisions of this model alone')
      .option('--variant <name>', 'of labels: decisions of this variant alone')
      .option('--shadows', 'of labels: decisions that were not acted on, too')
      .option('--out <file>', 'the Parquet file to write')
      .option('--entities-of <view>', 'without labels: every entity of a view, from its first event on, at every step')
      .option('--entities <file>', 'without labels: the entities of a file with join keys, at every step')
      .option('--every <duration>', 'from one step to the next, e.g. 1d')
      .option(
        '--from <time>',
        'the first step, or of labels the first decisions: an ISO time, or a date for its first instant',
      )
      .option('--to <time>', 'the end of that time, which is not in it')
      .option('--max-rows <n>', 'of entities: more rows than this are refused (default 10,000,000)', rowsOf)
      .option('--dry-run', 'of entities and labels: say how many rows there would be, and write nothing'),
  )
    .addOption(
      new Option(
        '--mode <mode>',
        "event-time: events before the row's time; as-served: what serving would have answered then, or did; decided: what a decision was made of, the default of labels",
      ).choices(EXPORT_MODES),
    )
    .option('--request-column <column>', 'as-served: the column of request ids, to get exactly what each was served')
    .addOption(
      new Option('--missing <what>', 'as-served: what a request id that was never logged is').choices([
        'error',
        'null',
      ]),
    )
    .addOption(
      new Option(
        '--on-error <what>',
        'what a cell with an error in place of its value is: the end of the export, or null',
      ).choices(['fail', 'null']),
    )
    .option('--compare', 'also say where the two modes differ, by how much and why: a table and a plot')
    .option('--sample <share>', "the rows of this share of the entities, all of an entity's or none, as 0.1", shareOf)
    .option(
      '--split <share>',
      'two files: this share of the rows, the earliest, to train on, as 0.8, the rest to test',
      shareOf,
    )
    .option('--overwrite', 'replace the file where it exists')
    .option('--repeat <manifest>', 'repeat an earlier export exactly, at the cut of its manifest');
  withCommonOptions(command).action(async (options: ExportOptions) => {
    checkNeeded(command, options);
    const { env, output } = contextOf(options);
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, async (client) => {
      const workflowId = env.installation.exportId(options.service, randomUUID());
      const handle = await client.workflow.start('exportTrainingSet', {
        workflowId,
        taskQueue: taskQueueOf(env.variables),
        args: [inputOf(options)],
      });
      output.note(`export of ${options.service}: ${workflowUrl(temporal, workflowId)}`);
      printExport(
        output,
        await followWorkflow<ExportSummary | ExportSize | ExportLabelSize>(client, handle, output, 'export'),
      );
    });
  });
}

/** What the command line can tell before anything is started; the workflow checks the rest. */
function checkNeeded(
  command: Command,
  { spine, labels, entities, entitiesOf, repeat, out, dryRun }: ExportOptions,
): void {
  if ([spine, labels, entities, entitiesOf, repeat].every((one) => one === undefined))
    command.error(
      "error: one of '--spine <file>', '--labels <set>', '--entities-of <view>' and '--entities <file>' is needed",
    );
  if (out === undefined && dryRun !== true) command.error("error: required option '--out <file>' not specified");
}

function rowsOf(text: string): number {
  const rows = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (rows > 0) return rows;
  throw new InvalidArgumentError('expected a whole number of at least 1');
}

/** The forms of a share: digits with a point, as 0.8. */
function shareOf(text: string): number {
  const share = /^0?\.\d{1,9}$/.test(text) ? Number(text) : 0;
  if (share > 0) return share;
  throw new InvalidArgumentError('expected a number above 0 and below 1, e.g. 0.8');
}

/** The worker may run elsewhere in the file system: it is told absolute paths. The workflow checks what belongs together. */
function inputOf(options: ExportOptions): ExportInput {
  const {
    service,
    spine,
    labels,
    asOf,
    model,
    variant,
    shadows,
    out,
    entitiesOf,
    entities,
    every,
    from,
    to,
    maxRows,
    dryRun,
    time,
    timeZone,
    timeAt,
    mode,
    requestColumn,
    missing,
    onError,
    compare,
    sample,
    split,
    overwrite,
    repeat,
  } = options;
  return {
    service,
    ...(spine === undefined ? {} : { spine: resolve(spine) }),
    ...(labels === undefined ? {} : { labels }),
    ...(asOf === undefined ? {} : { asOf }),
    ...(model === undefined ? {} : { model }),
    ...(variant === undefined ? {} : { variant }),
    ...(shadows === undefined ? {} : { shadows }),
    ...(out === undefined ? {} : { out: resolve(out) }),
    ...(entitiesOf === undefined ? {} : { entitiesOf }),
    ...(entities === undefined ? {} : { entities: resolve(entities) }),
    ...(every === undefined ? {} : { every }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(maxRows === undefined ? {} : { maxRows }),
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(time === undefined ? {} : { timeColumn: time }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(timeAt === undefined ? {} : { timeAt }),
    ...(mode === undefined ? {} : { mode }),
    ...(requestColumn === undefined ? {} : { requestColumn }),
    ...(missing === undefined ? {} : { missing }),
    ...(onError === undefined ? {} : { onError }),
    ...(compare === undefined ? {} : { compare }),
    ...(sample === undefined ? {} : { sample }),
    ...(split === undefined ? {} : { split }),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(repeat === undefined ? {} : { repeatOf: resolve(repeat) }),
  };
}
