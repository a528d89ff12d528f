import { randomUUID } from 'node:crypto';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { announceModel } from '../../engine/models/announce-model.ts';
import { healModels } from '../../engine/models/heal-models.ts';
import { modelName } from '../../engine/models/model-name.ts';
import { type AliasMoved, pointAlias, rollbackModel } from '../../engine/models/steer-models.ts';
import { MODEL_ALIASES, type ModelAlias } from '../../engine/postgres/model-versions.ts';
import { kafkaNotConfigured } from '../../engine/topic/topic-errors.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import type { Output } from '../output.ts';
import { type Steering, withModels, withSteering } from './model-places.ts';

/** `millrace model alias|rollback|heal` */
export function addModelSteers(parent: Command): void {
  addAlias(parent);
  addRollback(parent);
  addHeal(parent);
}

function addAlias(parent: Command): void {
  const command = parent
    .command('alias')
    .argument('<name>')
    .addArgument(new Argument('<alias>', 'which').choices([...MODEL_ALIASES]))
    .argument('<version>', 'the version it is to stand for', versionOf)
    .description('let champion or challenger stand for another version; applications have it within a second')
    .option('--ahead', 'although its features are not served yet: applications keep what they have until they are');
  withCommonOptions(command).action(
    async (name: string, alias: ModelAlias, version: number, options: CommonOptions & { readonly ahead?: boolean }) => {
      const { env, output } = contextOf(options);
      const asked = {
        model: modelName(name),
        alias,
        version,
        ahead: options.ahead,
        actor: actorName(),
      };
      await withSteering(env, async (steering) =>
        told(output, steering, asked.model, await pointAlias({ ...asked, pool: steering.pool })),
      );
    },
  );
}

function addRollback(parent: Command): void {
  const command = parent
    .command('rollback')
    .argument('<name>')
    .description('let an alias stand for what it stood for before; the version it leaves is noted as rolled back')
    .addOption(new Option('--alias <alias>', 'which').choices([...MODEL_ALIASES]).default('champion'));
  withCommonOptions(command).action(async (name: string, options: CommonOptions & { readonly alias: ModelAlias }) => {
    const { env, output } = contextOf(options);
    const asked = { model: modelName(name), alias: options.alias, actor: actorName() };
    await withSteering(env, async (steering) =>
      told(output, steering, asked.model, await rollbackModel({ ...asked, pool: steering.pool })),
    );
  });
}

function addHeal(parent: Command): void {
  const command = parent
    .command('heal')
    .argument('[name]', 'of this model alone')
    .description('give topic and archive what either lost of the other; workers do so by themselves');
  withCommonOptions(command).action(async (name: string | undefined, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const healed = await withModels(env, async (places) =>
      healModels({
        ...places,
        clock: systemClock,
        newId: randomUUID,
        actor: actorName(),
        model: name === undefined ? undefined : modelName(name),
      }),
    );
    const lost = healed.filter(({ outcome }) => outcome === 'lost');
    if (output.isJson) output.json(healed);
    else
      output.table(
        ['model', 'version', 'outcome', 'why'],
        healed.map(({ model, version, outcome, why }) => [model, version, outcome, why]),
      );
    if (lost.length === 0) return;
    output.failure(
      new MillraceError(
        'model-lost',
        `${lost.map(({ model, version }) => `${model} version ${version}`).join(', ')}: neither topic nor archive has it`,
        {
          remedy: 'Publish its file again, or put a copy of the archive back.',
        },
      ),
    );
    process.exitCode = 1;
  });
}

async function told(output: Output, { writer, topic }: Steering, model: string, moved: AliasMoved): Promise<void> {
  const unannounced =
    writer === null
      ? kafkaNotConfigured('applications are to be told')
      : await announceModel({ writer, topic, clock: systemClock, model });
  const { alias, version, before } = moved;
  if (output.isJson) return output.json({ model, alias, version, before, announced: unannounced === null });
  output.line(
    `${model}: ${alias} is version ${version}${before === null || before === version ? '' : `; it was ${before}`}`,
  );
  if (unannounced !== null) output.note(`not announced (${unannounced.message}): applications find it within 15 s`);
}

function versionOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected the number of a version');
  return Number(text);
}
