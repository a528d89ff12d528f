import type { Command } from 'commander';
import { type Environment, readEnvironment } from '../config/environment.ts';
import { setSensitiveKey } from '../engine/values/sensitive-hash.ts';
import { Output } from './output.ts';

/** Options every command understands. */
export interface CommonOptions {
  readonly features?: string | undefined;
  readonly json?: boolean | undefined;
  readonly installation?: string | undefined;
}

/** What every command works with. */
export interface CommandContext {
  readonly env: Environment;
  readonly output: Output;
  /** The folder of definitions: `--features`, else MILLRACE_FEATURES, else `features`. */
  readonly features: string;
}

/** What `--installation` is for. */
export const INSTALLATION_HELP = 'whose schemas, workflows and topics (default: MILLRACE_INSTALLATION, else default)';

/** Adds the common options to a command. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--features <dir>', 'folder of definitions (default: MILLRACE_FEATURES, else ./features)')
    .option('--installation <name>', INSTALLATION_HELP)
    .option('--json', 'print the result as JSON');
}

/** Throws MillraceError `bad-configuration`. */
export function contextOf(options: CommonOptions): CommandContext {
  // Definitions are read by the environment of the process: their topics are the installation's, too.
  if (options.installation !== undefined) process.env['MILLRACE_INSTALLATION'] = options.installation;
  const env = readEnvironment(process.env);
  if (env.sensitiveKey !== null) setSensitiveKey(env.sensitiveKey);
  return { env, output: new Output(options), features: options.features ?? env.features ?? 'features' };
}
