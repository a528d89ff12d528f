import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { COMPARISON_HEADER, comparisonRows } from '../../engine/training/comparison-rows.ts';
import {
  EXPORT_MODES,
  type ExportInput,
  type ExportMode,
  type ExportSummary,
  TIME_ATS,
} from '../../workflows/export-training-set/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { followWorkflow } from '../follow-workflow.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

interface ExportOptions extends CommonOptions {
  readonly service: string;
  readonly spine: string;
  readonly out: string;
  readonly time?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly timeAt?: ExportInput['timeAt'];
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

/** `millrace export --service S --spine F --out F`. */
export function addExportCommand(program: Command): void {
  const command = program
    .command('export')
    .description('write a training set: every spine row with what was known at its time')
    .requiredOption('--service <name>', 'the feature service')
    .requiredOption('--spine <file>', 'the label rows: Parquet, CSV or JSONL')
    .requiredOption('--out <file>', 'the Parquet file to write')
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
    )
    .addOption(
      new Option(
        '--mode <mode>',
        "event-time: events before the row's time; as-served: what serving would have answered then, or did",
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
      print(output, await followWorkflow<ExportSummary>(client, handle, output, 'export'));
    });
  });
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
    out,
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
    spine: resolve(spine),
    out: resolve(out),
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

function print(output: Output, summary: ExportSummary): void {
  if (output.isJson) return output.json(summary);
  output.table(
    ['column', 'null'],
    summary.features.map(({ column, nullRate }) => [column, `${(nullRate * 100).toFixed(2)} %`]),
  );
  const errors = summary.features.flatMap(({ column, errors: codes = {} }) =>
    Object.entries(codes).map(([code, cells]) => [column, code, count(cells)]),
  );
  if (errors.length > 0) output.table(['null for an error', 'code', 'cells'], errors);
  const { comparison, filesLeftOut = 0, sample, split } = summary;
  if (sample !== undefined)
    output.line(
      `a sample: ${(sample.fraction * 100).toFixed(2)} % of the entities by ${sample.by.join(', ')}; ${count(summary.rows)} of ${count(sample.ofRows)} rows`,
    );
  if (split !== undefined)
    output.table(
      [`split at ${split.at}`, 'rows', 'bytes'],
      [split.train, split.test].map(({ file, rows, sizeBytes }) => [file, count(rows), count(sizeBytes)]),
    );
  if (filesLeftOut > 0)
    output.line(`${count(filesLeftOut)} files of the history are not in the versions served now, and not in this set`);
  if (comparison !== null) {
    output.line(`the two modes differ on ${count(comparison.labelsDiffering)} of ${count(comparison.labels)} labels`);
    output.table(COMPARISON_HEADER, comparisonRows(comparison));
    output.line(`plot: ${comparison.svg}`);
  }
  output.line(
    `${count(summary.rows)} rows · ${count(summary.sizeBytes)} bytes · sha256 ${summary.sha256.slice(0, 12)}`,
  );
  if (split === undefined) output.line(summary.out);
  output.line(summary.manifest);
}
