import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { rolloutReport } from '../../engine/evaluation/rollout-report.ts';
import { modelName } from '../../engine/models/model-name.ts';
import { rollouts } from '../../engine/postgres/rollouts.ts';
import { ROLLOUT_COMMAND_DESCRIPTIONS, ROLLOUT_COMMANDS } from '../../workflows/model-rollout/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withCatalog } from '../models/model-places.ts';
import { isoMicros } from '../output.ts';
import { addRolloutEnd } from '../rollouts/end-command.ts';
import { printRolloutReport, printRolloutStatus } from '../rollouts/print-rollout.ts';
import { queryRollout, sendRolloutCommand, startRollout } from '../rollouts/rollout-client.ts';
import { rolloutInput, type StartOptions } from '../rollouts/rollout-input.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';
import { checkWritable } from '../writable-file.ts';

/** `millrace rollout start|list|show|report|end MODEL` and the updates of a rollout. */
export function addRolloutCommand(program: Command): void {
  const command = program.command('rollout').description('rollouts of models, on evidence');
  addStart(command);
  addList(command);
  addShow(command);
  addReport(command);
  for (const name of ROLLOUT_COMMANDS) addSteer(command, name);
  addRolloutEnd(command);
}

function addStart(parent: Command): void {
  const command = parent
    .command('start')
    .argument('<model>')
    .description('roll a version of a model out against another: shadow, shares, everyone, or back')
    .option('--input <file>', 'the start form as JSON: stages, guardrails, segments and all else')
    .option('--candidate <version>', 'what is tried: a version; default challenger')
    .option('--against <version>', 'what it is tried against: a version; default champion')
    .option('--decisions <source>', 'the source of its decisions')
    .option('--labels <name>', 'the label set of its decisions')
    .option('--measure <measure>', 'of the metric: log-loss, brier, absolute-error, label, score')
    .option('--better <way>', 'of the metric: higher, lower');
  withCommonOptions(command).action(async (name: string, options: StartOptions & CommonOptions) => {
    const { env, output } = contextOf(options);
    const input = await rolloutInput(modelName(name), options);
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, async (client) => {
      const workflowId = await startRollout(client, input, taskQueueOf(env.variables));
      const url = workflowUrl(temporal, workflowId);
      if (output.isJson) return output.json({ model: input.model, workflowId, url });
      output.line(`rollout of ${input.model}: started · ${url}`);
    });
  });
}

function addList(parent: Command): void {
  const command = parent
    .command('list')
    .argument('[model]', 'of this model alone')
    .description('rollouts, newest first');
  withCommonOptions(command).action(async (name: string | undefined, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const all = await withCatalog(env, (pool) => rollouts(pool, name === undefined ? undefined : modelName(name)));
    if (output.isJson) return output.json(all);
    if (all.length === 0) return output.line('no rollouts; start one with: millrace rollout start MODEL');
    output.table(
      ['model', 'rollout', 'is', 'stage', 'shares', 'started', 'ended'],
      all.map((one) => [
        one.model,
        one.id,
        one.phase,
        one.stage + 1,
        one.variants.map(({ variant, version, share }) => `${variant} v${version}: ${share}`).join(', '),
        isoMicros(one.startedAtUs),
        one.endedAtUs === null ? '' : isoMicros(one.endedAtUs),
      ]),
    );
  });
}

function addShow(parent: Command): void {
  const command = parent
    .command('show')
    .argument('<model>')
    .description('where the newest rollout of a model is, what it waits for, and what can be sent');
  withCommonOptions(command).action(async (name: string, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const model = modelName(name);
    const { temporal } = await neededServices(env, ['temporal']);
    const status = await withTemporal(temporal, env.installation, (client) => queryRollout(client, model));
    const report = await withCatalog(env, (pool) => rolloutReport(pool, model));
    if (output.isJson) return output.json({ status, report });
    if (status === null) output.note('its workflow does not answer: what follows is what is kept of it');
    else printRolloutStatus(output, status);
    printRolloutReport(output, report);
  });
}

function addReport(parent: Command): void {
  const command = parent
    .command('report')
    .argument('<model>')
    .description("the newest rollout's course and evidence, and the effect by days since a unit's first exposure")
    .option('--html <file>', 'also as one page with plots');
  withCommonOptions(command).action(async (name: string, options: CommonOptions & { readonly html?: string }) => {
    const { env, output } = contextOf(options);
    const { html } = options;
    if (html !== undefined) await checkWritable(html);
    const report = await withCatalog(env, (pool) => rolloutReport(pool, modelName(name)));
    if (html !== undefined) {
      const { rolloutPage } = await import('../../engine/evaluation/rollout-page.ts');
      await writeFile(html, await rolloutPage(report));
    }
    if (output.isJson) output.json(report);
    else printRolloutReport(output, report);
    if (html !== undefined) output.note(`page: ${html}`);
  });
}

function addSteer(parent: Command, name: (typeof ROLLOUT_COMMANDS)[number]): void {
  const command = parent.command(name).argument('<model>').description(ROLLOUT_COMMAND_DESCRIPTIONS[name]);
  withCommonOptions(command).action(async (model: string, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const { temporal } = await neededServices(env, ['temporal']);
    const status = await withTemporal(temporal, env.installation, (client) =>
      sendRolloutCommand(client, modelName(model), name),
    );
    if (output.isJson) return output.json(status);
    printRolloutStatus(output, status);
  });
}
