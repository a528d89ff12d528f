import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import { changesText } from '../../engine/models/model-errors.ts';
import { modelName } from '../../engine/models/model-name.ts';
import { planPublish, publishModel } from '../../engine/models/publish-model.ts';
import { readManifest, readModelMetrics } from '../../engine/models/read-manifest.ts';
import { MODEL_ALIASES, type ModelAlias } from '../../engine/postgres/model-versions.ts';
import { canonicalJson } from '../../engine/values/canonical-json.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, type Output } from '../output.ts';
import { withCatalog, withModels } from './model-places.ts';
import { changesJson, versionJson } from './model-json.ts';

interface PublishCommandOptions extends CommonOptions {
  readonly file: string;
  readonly service: string;
  readonly trainedOn: string;
  readonly metrics?: string | undefined;
  readonly as: ModelAlias | 'none';
  readonly ahead?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** `millrace model publish NAME` */
export function addModelPublish(parent: Command): void {
  const command = parent
    .command('publish')
    .argument('<name>', "the model's name, e.g. late_flights")
    .description(
      'publish a file of parameters: whole, with what it was trained on; applications have it within a second',
    )
    .requiredOption('--file <file>', 'the parameters, of any toolset: ONNX, JSON, a dump; at most 256 MB')
    .requiredOption('--service <service>', 'the feature service whose features it takes')
    .requiredOption(
      '--trained-on <manifest>',
      'the manifest of its training set: FILE.manifest.json of "millrace export"',
    )
    .option('--metrics <file>', 'one JSON object of numbers and texts, kept beside it')
    .addOption(
      new Option('--as <alias>', 'what stands for it from then on')
        .choices([...MODEL_ALIASES, 'none'])
        .default('champion'),
    )
    .option('--ahead', 'although its features are not served yet: applications keep what they have until they are')
    .option('--dry-run', 'say what would be published, and publish nothing');
  withCommonOptions(command).action(async (name: string, options: PublishCommandOptions) => {
    const { env, output } = contextOf(options);
    const model = modelName(name);
    const trainedOn = await readManifest(options.trainedOn);
    const metrics = options.metrics === undefined ? null : await readModelMetrics(options.metrics);
    const { file, service, ahead } = options;
    const alias = options.as === 'none' ? null : options.as;
    const asked = { model, file, service, trainedOn, metrics, alias, ahead };
    if (options.dryRun === true)
      return await withCatalog(env, async (pool) => tellPlan(output, model, await planPublish({ ...asked, pool })));
    const published = await withModels(env, async (places) =>
      publishModel({
        ...asked,
        ...places,
        clock: systemClock,
        newId: randomUUID,
        actor: actorName(),
        onProgress: ({ step, bytes, totalBytes }) =>
          output.progress(`${step}: ${count(bytes)} of ${count(totalBytes)} bytes`),
      }),
    );
    output.end();
    const { version, isNew, changes, unannounced } = published;
    if (output.isJson)
      return output.json({
        ...versionJson(version),
        isNew,
        as: alias,
        changes: changesJson(changes),
        announced: unannounced === null,
      });
    output.line(
      `${model}: version ${version.version}, ${count(version.sizeBytes)} bytes, sha256 ${version.sha256.slice(0, 12)}${isNew ? '' : ' (published before)'}`,
    );
    if (!isNew && metrics !== null && canonicalJson(metrics) !== canonicalJson(version.metrics))
      output.note('it was published before, and keeps the metrics it has');
    if (alias !== null) output.line(`${alias} is version ${version.version} now`);
    if (changes.length > 0)
      output.note(`not served as it was trained on: ${changesText(changes)}; applications take it once it is`);
    if (unannounced !== null) output.note(`not announced (${unannounced.message}): applications find it within 15 s`);
  });
}

function tellPlan(output: Output, model: string, plan: Awaited<ReturnType<typeof planPublish>>): void {
  const { sha256, sizeBytes, features, changes, same } = plan;
  if (output.isJson) {
    return output.json({
      model,
      sha256,
      size_bytes: sizeBytes,
      features,
      changes: changesJson(changes),
      same_as: same?.version ?? null,
    });
  }
  output.line(
    `${model}: ${count(sizeBytes)} bytes, sha256 ${sha256.slice(0, 12)}; ${same === null ? 'a new version' : `version ${same.version} is this very file`}`,
  );
  output.line(
    changes.length === 0
      ? 'its features are served as it was trained on them'
      : `not served as it was trained on: ${changesText(changes)}`,
  );
  output.note('nothing was published (--dry-run)');
}
