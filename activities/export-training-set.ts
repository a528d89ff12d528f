import { Context } from '@temporalio/activity';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { viewsOf } from '../engine/define/service-blocks.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import {
  exportTrainingSet as runExport,
  sizeOfLabelSet,
  sizeOfTrainingSet,
} from '../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingProgress } from '../engine/training/training-types.ts';
import type {
  ExportInput,
  ExportLabelSize,
  ExportSize,
  ExportSummary,
} from '../workflows/export-training-set/contract.ts';
import { type ActivityDeps, readerFor } from './activity-deps.ts';
import { serviceAsServed } from './service-as-served.ts';
import { refuseLargeExport } from './export-size.ts';
import { exportSummary } from './export-summary.ts';
import { pathWithin } from './path-roots.ts';
import { memoryWait, type Pulse, STILL_FOR_MS, withPulse } from './heartbeat.ts';
import { exportSpine } from './export-spine.ts';

/** Writes a training set. Relative paths are taken from the folder that holds the definitions folder. */
export async function exportTrainingSet(
  deps: ActivityDeps,
  input: ExportInput,
): Promise<ExportSummary | ExportSize | ExportLabelSize> {
  const { definitions } = deps;
  const defined = definitions.services.get(input.service);
  if (defined === undefined) {
    const known = [...definitions.services.keys()].join(', ');
    throw new MillraceError(
      'unknown-service',
      `no feature service "${input.service}"; known: ${known === '' ? 'none' : known}`,
      {
        remedy: 'Correct the name, or restart the worker with the definitions that have it.',
        httpStatus: 404,
      },
    );
  }
  const { workflowExecution } = Context.current().info;
  const root = dirname(definitions.folder);
  const pathOf = (path: string): string => pathWithin(root, path, deps.roots);
  const repeatOf = input.repeatOf === undefined ? undefined : await readManifest(pathOf(input.repeatOf));
  const service = await serviceAsServed(deps, defined, repeatOf);
  refuseLargeExport(service, input.compare === true);
  const spine = await exportSpine(deps, input, service, repeatOf, pathOf);
  const of = 'grid' in spine && spine.grid.entitiesOf !== undefined ? [spine.grid.entitiesOf.view] : [];
  const withTopic = [...viewsOf(service), ...of].find((view) => view.source.topic !== null);
  const common = (pulse: Pulse) => {
    const { onWait, report } = memoryWait(pulse);
    return {
      service,
      ...spine,
      timeColumn: input.timeColumn ?? undefined,
      timeZone: input.timeZone ?? undefined,
      sample: input.sample ?? undefined,
      mode: input.mode ?? ('labels' in spine ? (repeatOf?.mode ?? ('decided' as const)) : ('event-time' as const)),
      pool: deps.pool,
      ...(repeatOf === undefined ? {} : { repeatOf }),
      reader: withTopic === undefined ? deps.reader : readerFor(deps, withTopic),
      memory: deps.memory,
      spillDir: deps.spillDir,
      clock: deps.clock,
      signal: pulse.signal,
      onWait,
      onProgress: ({ phase, rows, totalRows, percent, events, eventsPerSecond }: TrainingProgress) =>
        report({ phase, rows, totalRows, percent, events, rate: Math.round(eventsPerSecond) }),
    };
  };
  if (input.dryRun === true && 'labels' in spine) {
    const labels = await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) =>
      sizeOfLabelSet({ ...common(pulse), labels: spine.labels }),
    );
    return { service: service.name, isDryRun: true, rows: labels.counts.labelled, labels };
  }
  if (input.dryRun === true) {
    const size = await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) => sizeOfTrainingSet(common(pulse)));
    const { rows, entities, steps, sample } = size;
    return { service: service.name, isDryRun: true, rows, entities, steps, ...(sample === null ? {} : { sample }) };
  }
  if (input.out == null) throw withoutOut();
  const out = pathOf(input.out);
  const manifest = await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    return await runExport({
      ...common(pulse),
      code: deps.code,
      serviceCode: deps.serviceCode,
      out,
      ...(workflowExecution === undefined
        ? {}
        : { exportId: `${workflowExecution.workflowId}/${workflowExecution.runId}` }),
      timeAt: input.timeAt,
      archiveDir: deps.archiveDir,
      servedTopic: deps.reader === null ? null : deps.servedTopic,
      requestColumn: input.requestColumn,
      missing: input.missing,
      onError: input.onError,
      compare: input.compare,
      split: input.split ?? undefined,
      ...(input.overwrite === undefined ? {} : { overwrite: input.overwrite }),
    });
  });
  return exportSummary(service.name, out, manifest);
}

function withoutOut(): MillraceError {
  return new MillraceError('invalid-input', 'an export that is no dry run needs "out", the file to write', {
    remedy: 'Name it.',
  });
}

async function readManifest(path: string): Promise<TrainingManifest> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as TrainingManifest;
  } catch (error) {
    throw new MillraceError(
      'manifest-unreadable',
      `the manifest ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        remedy: 'Name the .manifest.json that stands beside the training set to repeat.',
        cause: error,
      },
    );
  }
}
