import type { Command } from 'commander';
import { COMMAND_DESCRIPTIONS, COMMANDS } from '../../workflows/feature-lifecycle/contract.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { followLifecycle } from '../follow-lifecycle.ts';
import { sendCommand } from '../lifecycle-client.ts';
import { printStatus } from '../print-status.ts';
import { neededServices } from '../services.ts';
import { withTemporal } from '../with-temporal.ts';

/** `millrace promote|pause|resume|refresh|rebackfill|retry|retire VIEW`: the updates of a lifecycle. */
export function addSteerCommands(program: Command): void {
  for (const name of COMMANDS) {
    const command = program
      .command(name)
      .argument('<view>')
      .description(COMMAND_DESCRIPTIONS[name])
      .option('--wait', 'wait until it is so, and show how it goes');
    withCommonOptions(command).action(async (view: string, options: CommonOptions & { wait?: boolean }) => {
      const { env, output } = contextOf(options);
      const { temporal } = await neededServices(env, ['temporal']);
      await withTemporal(temporal, async (client) => {
        const accepted = await sendCommand(client, view, name);
        printStatus(output, options.wait === true ? await followLifecycle(client, view, output) : accepted);
      });
    });
  }
}
