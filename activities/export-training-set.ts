import { Context } from '@temporalio/activity';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { viewsOf } from '../engine/define/service-blocks.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { exportTrainingSet as runExport } from '../engine/training/export-training-set.ts';
import type { TrainingManifest } from '../engine/training/training-types.ts';
import type { ExportInput, ExportSummary } from '../workflows/export-training-set/contract.ts';
import { type ActivityDeps, readerFor } from './activity-deps.ts';
import { serviceAsServed } from './service-as-served.ts';
import { refuseLargeExport } from './export-size.ts';
import { pathWithin } from './path-roots.ts';
import { memoryWait, STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** What a workflow's history has room for: the whole stands in the manifest. A name of a column has 63 bytes at most. */
const FEATURES_KEPT = 2_000;

/** Writes a training set. Relative paths are taken from the folder that holds the definitions folder. */
export async function exportTrainingSet(deps: ActivityDeps, input: ExportInput): Promise<ExportSummary> {
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
  const out = pathOf(input.out);
  const spine = pathOf(input.spine);
  const repeatOf = input.repeatOf === undefined ? undefined : await readManifest(pathOf(input.repeatOf));
  const service = await serviceAsServed(deps, defined, repeatOf);
  refuseLargeExport(service, input.compare === true);
  const withTopic = viewsOf(service).find((view) => view.source.topic !== null);
  const manifest = await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    const { onWait, report } = memoryWait(pulse);
    return await runExport({
      service,
      code: deps.code,
      spine,
      out,
      ...(workflowExecution === undefined
        ? {}
        : { exportId: `${workflowExecution.workflowId}/${workflowExecution.runId}` }),
      ...(input.timeColumn === undefined ? {} : { timeColumn: input.timeColumn }),
      timeZone: input.timeZone,
      timeAt: input.timeAt,
      mode: input.mode ?? 'event-time',
      pool: deps.pool,
      archiveDir: deps.archiveDir,
      servedTopic: deps.reader === null ? null : deps.servedTopic,
      requestColumn: input.requestColumn,
      missing: input.missing,
      onError: input.onError,
      compare: input.compare,
      sample: input.sample ?? undefined,
      split: input.split ?? undefined,
      ...(input.overwrite === undefined ? {} : { overwrite: input.overwrite }),
      ...(repeatOf === undefined ? {} : { repeatOf }),
      reader: withTopic === undefined ? deps.reader : readerFor(deps, withTopic),
      memory: deps.memory,
      spillDir: deps.spillDir,
      clock: deps.clock,
      signal: pulse.signal,
      onWait,
      onProgress: ({ phase, rows, totalRows, percent, eventsPerSecond }) =>
        report({ phase, rows, totalRows, percent, rate: Math.round(eventsPerSecond) }),
    });
  });
  const features = manifest.views.flatMap((view) =>
    view.features.map(({ column, nullRate, errors }) => ({ column, nullRate, errors })),
  );
  const filesLeftOut = manifest.sources.reduce((sum, source) => sum + (source.filesLeftOut ?? 0), 0);
  return {
    service: service.name,
    mode: manifest.mode,
    out,
    manifest: `${out}.manifest.json`,
    rows: manifest.rows,
    sizeBytes: manifest.sizeBytes,
    sha256: manifest.sha256,
    features: features.slice(0, FEATURES_KEPT),
    ...(features.length > FEATURES_KEPT ? { featuresLeftOut: features.length - FEATURES_KEPT } : {}),
    ...(filesLeftOut === 0 ? {} : { filesLeftOut }),
    ...(manifest.split === undefined ? {} : { split: manifest.split }),
    ...(manifest.sample === undefined ? {} : { sample: manifest.sample }),
    comparison: comparisonOf(manifest, out),
  };
}

function comparisonOf({ comparison }: TrainingManifest, out: string): ExportSummary['comparison'] {
  if (comparison === undefined) return null;
  const features = comparison.features.slice(0, FEATURES_KEPT);
  return { ...comparison, features, json: `${out}.compare.json`, svg: `${out}.compare.svg` };
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
