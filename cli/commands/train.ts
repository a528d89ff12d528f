import type { Command } from 'commander';
import { addTrainRun, addTrainSteers } from '../training/run-commands.ts';
import { addTrainSchedules } from '../training/schedule-commands.ts';

/** `millrace train MODEL`, and `millrace train approve|reject|status|schedule|unschedule MODEL`: models trained by a workflow. */
export function addTrainCommand(program: Command): void {
  const command = program.command('train').description('models trained anew: by hand, or on a schedule');
  addTrainRun(command);
  addTrainSteers(command);
  addTrainSchedules(command);
}
