import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { COMMAND_DESCRIPTIONS, COMMANDS } from '../../workflows/feature-lifecycle/contract.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { confirm, refuseUnasked } from '../confirm.ts';
import { followLifecycle } from '../follow-lifecycle.ts';
import { queryStatus, sendCommand } from '../lifecycle-client.ts';
import { count } from '../output.ts';
import { printStatus } from '../print-status.ts';
import { neededServices } from '../services.ts';
import { withTemporal } from '../with-temporal.ts';

interface SteerOptions extends CommonOptions {
  readonly wait?: boolean | undefined;
  /** Of `retire`. */
  readonly yes?: boolean | undefined;
}

/** `millrace promote|pause|resume|refresh|rebackfill|retry|retire VIEW`: the updates of a lifecycle. */
export function addSteerCommands(program: Command): void {
  for (const name of COMMANDS) {
    const command = program
      .command(name)
      .argument('<view>')
      .description(COMMAND_DESCRIPTIONS[name])
      .option('--wait', 'wait until it is so, and show how it goes');
    // What it drops is read again from nothing, if the log still has it.
    const isAsked = name === 'retire';
    if (isAsked) command.option('--yes', 'do not ask (needed where there is no terminal)');
    withCommonOptions(command).action(async (view: string, options: SteerOptions) => {
      const { env, output } = contextOf(options);
      const asks = isAsked && options.yes !== true;
      if (asks) refuseUnasked(`${name} ${view}`);
      const { temporal } = await neededServices(env, ['temporal']);
      await withTemporal(temporal, env.installation, async (client) => {
        if (asks) await confirm(`${name} ${view}`, await whatRetiringDrops(client, view));
        const accepted = await sendCommand(client, view, name);
        printStatus(output, options.wait === true ? await followLifecycle(client, view, output) : accepted);
      });
    });
  }
}

async function whatRetiringDrops(client: Client, view: string): Promise<string> {
  const status = await queryStatus(client, view);
  const served =
    status === null || status.version === null
      ? 'What is served or built of it is dropped'
      : `Version ${status.version} (${count(status.entities)} entities when it was built) is dropped, and readers are served nothing any more`;
  return `${view}: ${served}. To have it again is to read its whole log again.`;
}
