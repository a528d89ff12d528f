import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { changesText } from '../../engine/models/model-errors.ts';
import { modelDiff } from '../../engine/models/model-diff.ts';
import { fetchModel } from '../../engine/models/fetch-model.ts';
import { modelChanges } from '../../engine/models/model-fit.ts';
import { modelAlias, modelName } from '../../engine/models/model-name.ts';
import { modelMeant } from '../../engine/models/steer-models.ts';
import {
  type ModelAlias,
  type ModelAliasRow,
  modelAliases,
  type ModelVersion,
  modelVersions,
} from '../../engine/postgres/model-versions.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, isoMicros } from '../output.ts';
import { checkWritable } from '../writable-file.ts';
import { changesJson, versionJson, wholeVersionJson } from './model-json.ts';
import { withCatalog, withModels } from './model-places.ts';

interface VersionOptions extends CommonOptions {
  readonly version: number | ModelAlias;
}

/** `millrace model list|show|diff|fetch` */
export function addModelLooks(parent: Command): void {
  addList(parent);
  addShow(parent);
  addDiff(parent);
  addFetch(parent);
}

function addList(parent: Command): void {
  const command = parent
    .command('list')
    .argument('[name]', 'of this model alone')
    .description('the versions of models, newest first');
  withCommonOptions(command).action(async (name: string | undefined, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const model = name === undefined ? undefined : modelName(name);
    const [versions, aliases] = await withCatalog(env, (pool) =>
      Promise.all([modelVersions(pool, model), modelAliases(pool, model)]),
    );
    if (output.isJson)
      return output.json(versions.map((one) => ({ ...versionJson(one), aliases: aliasesOf(one, aliases) })));
    if (versions.length === 0)
      return output.line(
        'no models; publish one with: millrace model publish NAME --file F --service S --trained-on MANIFEST',
      );
    output.table(
      ['model', 'version', 'is', 'state', 'service', 'bytes', 'metrics', 'published', 'by'],
      versions.map((one) => [
        one.model,
        one.version,
        aliasesOf(one, aliases).join(', '),
        one.state,
        one.service,
        count(one.sizeBytes),
        metricsText(one),
        minute(one.publishedAtUs),
        one.actor,
      ]),
    );
  });
}

function addShow(parent: Command): void {
  const command = versionOption(
    parent
      .command('show')
      .argument('<name>')
      .description('one version: what it takes, what it was trained on, whether that is served'),
  );
  withCommonOptions(command).action(async (name: string, options: VersionOptions) => {
    const { env, output } = contextOf(options);
    await withCatalog(env, async (pool) => {
      const version = await modelMeant(pool, modelName(name), options.version);
      const [aliases, changes] = await Promise.all([modelAliases(pool, version.model), modelChanges(pool, version)]);
      if (output.isJson)
        return output.json({
          ...wholeVersionJson(version),
          aliases: aliasesOf(version, aliases),
          changes: changesJson(changes),
        });
      const { lineage, signature } = version;
      const facts: [string, string][] = [
        [
          'model',
          `${version.model}, version ${version.version} (${[version.state, ...aliasesOf(version, aliases)].join(', ')})`,
        ],
        ['file', `${count(version.sizeBytes)} bytes, sha256 ${version.sha256}`],
        ['on', `${version.topic}, offsets ${version.fromOffset} to ${version.untilOffset - 1}`],
        ['service', version.service],
        [
          'takes',
          [
            ...signature.request.map(({ name: one }) => `request.${one}`),
            ...signature.features.map(({ column }) => column),
          ].join(', '),
        ],
        [
          'trained on',
          `${count(lineage.rows)} rows (${lineage.mode}), sha256 ${lineage.trainingSet.slice(0, 12)}; labels ${lineage.labels.join(', ')}`,
        ],
        ['metrics', metricsText(version)],
        ['published', `${minute(version.publishedAtUs)} by ${version.actor}`],
        ['served', changes.length === 0 ? 'as it was trained on' : `not as it was trained on: ${changesText(changes)}`],
      ];
      output.table(['', ''], facts);
    });
  });
}

function addDiff(parent: Command): void {
  const command = parent
    .command('diff')
    .argument('<name>')
    .argument('[before]', 'a version, or an alias', meantOf, 'champion')
    .argument('[after]', 'a version, or an alias', meantOf, 'challenger')
    .description('what two versions differ in: features, training set, labels, metrics');
  withCommonOptions(command).action(
    async (name: string, before: number | ModelAlias, after: number | ModelAlias, options: CommonOptions) => {
      const { env, output } = contextOf(options);
      await withCatalog(env, async (pool) => {
        const model = modelName(name);
        const [one, other] = await Promise.all([modelMeant(pool, model, before), modelMeant(pool, model, after)]);
        const differences = modelDiff(one, other);
        if (output.isJson) return output.json({ model, before: one.version, after: other.version, differences });
        if (differences.length === 0)
          return output.line(`versions ${one.version} and ${other.version} differ in nothing that is noted of them`);
        output.table(
          ['', `version ${one.version}`, `version ${other.version}`],
          differences.map(({ what, before: was, after: is }) => [what, was, is]),
        );
      });
    },
  );
}

function addFetch(parent: Command): void {
  const command = versionOption(
    parent
      .command('fetch')
      .argument('<name>')
      .description("write a version's file, whole and with its hash")
      .requiredOption('--out <file>', 'the file to write; it must not be there'),
  );
  withCommonOptions(command).action(async (name: string, options: VersionOptions & { readonly out: string }) => {
    const { env, output } = contextOf(options);
    await checkWritable(options.out);
    await withModels(env, async ({ pool, reader, archiveDir }) => {
      const version = await modelMeant(pool, modelName(name), options.version);
      await writeFile(options.out, await fetchModel({ reader, archiveDir }, version), { flag: 'wx' });
      if (output.isJson) return output.json({ ...versionJson(version), out: options.out });
      output.line(`${options.out}: ${version.model}, version ${version.version}, ${count(version.sizeBytes)} bytes`);
    });
  });
}

function versionOption(command: Command): Command {
  return command.option('--version <version>', 'a version, or an alias: champion, challenger', meantOf, 'champion');
}

/** A number, or an alias. */
export function meantOf(text: string): number | ModelAlias {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  try {
    return modelAlias(text);
  } catch {
    throw new InvalidArgumentError('expected the number of a version, champion or challenger');
  }
}

function aliasesOf({ model, version }: ModelVersion, aliases: readonly ModelAliasRow[]): string[] {
  return aliases.filter((one) => one.model === model && one.version === version).map(({ alias }) => alias);
}

function metricsText({ metrics }: ModelVersion): string {
  return Object.entries(metrics ?? {})
    .slice(0, 4)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(6)) : value}`)
    .join(', ');
}

function minute(atUs: number): string {
  return isoMicros(atUs).slice(0, 16).replace('T', ' ');
}
