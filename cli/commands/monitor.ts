import type { Command } from 'commander';
import { addMonitorBackfill } from '../monitors/backfill-command.ts';
import { addMonitorShow } from '../monitors/show-command.ts';

/** `millrace monitor …`: what records and values are like, hour by hour. */
export function addMonitorCommand(program: Command): void {
  const monitor = program
    .command('monitor')
    .description('what records and values are like, by hour of event time: show it, compute the past');
  addMonitorShow(monitor);
  addMonitorBackfill(monitor);
}
