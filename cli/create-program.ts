import { Command } from 'commander';
import { RELEASE } from '../engine/installation/release.ts';
import { addArchiveCommand } from './commands/archive.ts';
import { addAuditCommand } from './commands/audit.ts';
import { addDeadLettersCommand } from './commands/dead-letters.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDevCommand } from './commands/dev.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addExportCommand } from './commands/export.ts';
import { addGetCommand } from './commands/get.ts';
import { addLogCommand } from './commands/log.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addServeCommand } from './commands/serve.ts';
import { addStartCommand } from './commands/start.ts';
import { addStatusCommand } from './commands/status.ts';
import { addSteerCommands } from './commands/steer.ts';
import { addTokenCommand } from './commands/token.ts';

/** The command line `millrace` with all its commands, before it is given arguments. */
export function createProgram(): Command {
  const program = new Command('millrace')
    .description(RELEASE.description)
    .version(RELEASE.version)
    .showHelpAfterError('(add --help for what there is)');
  addDevCommand(program);
  addPlanCommand(program);
  addStartCommand(program);
  addSteerCommands(program);
  addStatusCommand(program);
  addMigrateCommand(program);
  addServeCommand(program);
  addTokenCommand(program);
  addGetCommand(program);
  addExportCommand(program);
  addArchiveCommand(program);
  addAuditCommand(program);
  addExplainCommand(program);
  addLogCommand(program);
  addDeadLettersCommand(program);
  addDemoCommand(program);
  return program;
}
