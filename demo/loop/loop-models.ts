import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { actorName } from '../../cli/actor.ts';
import { withModels } from '../../cli/models/model-places.ts';
import type { Output } from '../../cli/output.ts';
import type { Environment } from '../../config/environment.ts';
import { publishModel } from '../../engine/models/publish-model.ts';
import { readManifest, readModelMetrics } from '../../engine/models/read-manifest.ts';
import type { ModelAlias } from '../../engine/postgres/model-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { ExampleProject } from './example-project.ts';

export const MODEL = 'late';
export const SERVICE = 'flight_delay';

/** What train.mjs says of a model. */
interface TrainedMetrics {
  readonly logLoss: number;
  readonly logLossBase: number;
  /** Share of late flights among those that it was trained on. */
  readonly baseRate: number;
  readonly rows: number;
}

export interface TrainedModel {
  readonly file: string;
  readonly metricsFile: string;
  readonly metrics: TrainedMetrics;
}

/**
 * Trains a model by the example's own program.
 *
 * @param options `sets`: paths of training sets, each `FILE` or `FILE:LABEL COLUMN`; `more`: further options of train.mjs
 */
export async function trainLoopModel(
  project: ExampleProject,
  options: {
    readonly name: string;
    readonly folder: string;
    readonly sets: readonly string[];
    readonly more?: readonly string[] | undefined;
  },
  output: Output,
): Promise<TrainedModel> {
  const { name, folder, sets, more = [] } = options;
  const file = join(folder, `${name}.json`);
  const metricsFile = join(folder, `${name}.metrics.json`);
  await project.run('train.mjs', ['--out', file, '--metrics', metricsFile, ...more, ...sets], (line) =>
    output.progress(`training model ${name}: ${line}`),
  );
  return { file, metricsFile, metrics: JSON.parse(await readFile(metricsFile, 'utf8')) as TrainedMetrics };
}

/** Publishes a model, as `millrace model publish` does; returns its version. */
export async function publishLoopModel(
  env: Environment,
  { file, metricsFile }: TrainedModel,
  { trainedOn, alias }: { readonly trainedOn: string; readonly alias: ModelAlias },
): Promise<number> {
  const manifest = await readManifest(trainedOn);
  const metrics = await readModelMetrics(metricsFile);
  const { version } = await withModels(env, (places) =>
    publishModel({
      ...places,
      model: MODEL,
      file,
      service: SERVICE,
      trainedOn: manifest,
      metrics,
      alias,
      clock: systemClock,
      newId: randomUUID,
      actor: actorName(),
    }),
  );
  return version.version;
}
