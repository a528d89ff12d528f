import type { Command } from 'commander';
import { addListing } from '../alerts/list-command.ts';
import { addRunning } from '../alerts/run-commands.ts';
import { addAcknowledge, addSilencing } from '../alerts/say-commands.ts';
import { addShow } from '../alerts/show-command.ts';

/** `millrace monitor`: alerts, and what evaluates them. */
export function addMonitorCommand(program: Command): void {
  const command = program
    .command('monitor')
    .description('alerts of what is not as usual: open and recent ones, with where they come from');
  addListing(command);
  addShow(command);
  addAcknowledge(command);
  addSilencing(command);
  addRunning(command);
}
