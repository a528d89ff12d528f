import './quiet-kafkajs.ts';
import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { addArchiveCommand } from './commands/archive.ts';
import { addAuditCommand } from './commands/audit.ts';
import { addDeadLettersCommand } from './commands/dead-letters.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDevCommand } from './commands/dev.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addExportCommand } from './commands/export.ts';
import { addGetCommand } from './commands/get.ts';
import { addLogCommand } from './commands/log.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addStartCommand } from './commands/start.ts';
import { addStatusCommand } from './commands/status.ts';
import { addSteerCommands } from './commands/steer.ts';
import { asMillraceError } from './as-millrace-error.ts';
import { Output } from './output.ts';

const program = new Command('millrace')
  .description(packageJson.description)
  .version(packageJson.version)
  .showHelpAfterError('(add --help for what there is)');

addDevCommand(program);
addPlanCommand(program);
addStartCommand(program);
addSteerCommands(program);
addStatusCommand(program);
addGetCommand(program);
addExportCommand(program);
addArchiveCommand(program);
addAuditCommand(program);
addExplainCommand(program);
addLogCommand(program);
addDeadLettersCommand(program);
addDemoCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  new Output({ json: process.argv.includes('--json') }).error(asMillraceError(error));
  if (process.env['MILLRACE_LOG_LEVEL'] === 'debug') console.error(error);
  process.exitCode = 1;
}
