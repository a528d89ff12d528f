/** Runs a command in a process that a test kills: argv[2] is JSON of `CommandOptions`. */
import { type CommandOptions, runCommand } from '../../engine/commands/run-command.ts';

await runCommand(JSON.parse(process.argv[2] ?? '') as CommandOptions);
