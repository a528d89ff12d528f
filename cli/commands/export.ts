import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import type { Command } from 'commander';
import { type ExportInput, type ExportSummary, taskQueueOf } from '../../workflows/contracts.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { progressOf } from '../follow-lifecycle.ts';
import { fromFailure, runningActivities } from '../lifecycle-client.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

const EVERY_MS = 500;

interface ExportOptions extends CommonOptions {
  readonly service: string;
  readonly spine: string;
  readonly out: string;
  readonly time?: string | undefined;
  readonly mode?: string | undefined;
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
    .option('--mode <mode>', "event-time: events before the row's time", 'event-time')
    .option('--overwrite', 'replace the file where it exists')
    .option('--repeat <manifest>', 'repeat an earlier export exactly, at the cut of its manifest');
  withCommonOptions(command).action(async (options: ExportOptions) => {
    const { env, output } = contextOf(options);
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, async (client) => {
      const workflowId = `export:${options.service}:${randomUUID()}`;
      const handle = await client.workflow.start('exportTrainingSet', {
        workflowId,
        taskQueue: taskQueueOf(env.variables),
        args: [inputOf(options)],
      });
      output.note(`export of ${options.service}: ${workflowUrl(temporal, workflowId)}`);
      print(output, await follow(client, handle, output));
    });
  });
}

/** The worker may run elsewhere in the file system: it is told absolute paths. The workflow checks the mode. */
function inputOf(options: ExportOptions): ExportInput {
  const { service, spine, out, time, mode, overwrite, repeat } = options;
  return {
    service,
    spine: resolve(spine),
    out: resolve(out),
    ...(time === undefined ? {} : { timeColumn: time }),
    ...(mode === undefined ? {} : { mode: mode as 'event-time' }),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(repeat === undefined ? {} : { repeatOf: resolve(repeat) }),
  };
}

async function follow(client: Client, handle: WorkflowHandle, output: Output): Promise<ExportSummary> {
  for (;;) {
    const description = await client.workflow.getHandle(handle.workflowId).describe();
    if (description.status.name !== 'RUNNING') break;
    output.progress(['export', ...runningActivities(description).map(progressOf)].join(' · '));
    await delay(EVERY_MS);
  }
  try {
    return (await handle.result()) as ExportSummary;
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const cause = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
    if (cause instanceof ApplicationFailure) throw fromFailure(cause);
    throw error;
  }
}

function print(output: Output, summary: ExportSummary): void {
  if (output.isJson) return output.json(summary);
  output.table(
    ['column', 'null'],
    summary.features.map(({ column, nullRate }) => [column, `${(nullRate * 100).toFixed(2)} %`]),
  );
  output.line(
    `${count(summary.rows)} rows · ${count(summary.sizeBytes)} bytes · sha256 ${summary.sha256.slice(0, 12)}`,
  );
  output.line(summary.out);
  output.line(summary.manifest);
}
