import type { Command } from 'commander';
import { addModelLooks } from '../models/look-commands.ts';
import { addModelPublish } from '../models/publish-command.ts';
import { addModelSteers } from '../models/steer-commands.ts';

/** `millrace model publish|list|show|diff|fetch|alias|rollback|heal`: models over Kafka. */
export function addModelCommand(program: Command): void {
  const command = program.command('model').description('models: published over Kafka, held by applications');
  addModelPublish(command);
  addModelLooks(command);
  addModelSteers(command);
}
