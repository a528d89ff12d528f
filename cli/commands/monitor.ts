import type { Command } from 'commander';
import { addListing } from '../alerts/list-command.ts';
import { addRunning } from '../alerts/run-commands.ts';
import { addAcknowledge, addSilencing } from '../alerts/say-commands.ts';
import { addShow } from '../alerts/show-command.ts';
import { addMonitorBackfill } from '../monitors/backfill-command.ts';
import { addMonitorShow } from '../monitors/show-command.ts';

/** `millrace monitor`: alerts and what evaluates them, and what records and values are like, hour by hour. */
export function addMonitorCommand(program: Command): void {
  const command = program
    .command('monitor')
    .description(
      'alerts of what is not as usual: open and recent ones, with where they come from; what records and values are like by hour',
    );
  addListing(command);
  addShow(command);
  addAcknowledge(command);
  addSilencing(command);
  addRunning(command);
  addMonitorShow(command);
  addMonitorBackfill(command);
}
