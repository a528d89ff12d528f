import { Command } from 'commander';
import { RELEASE } from '../engine/installation/release.ts';

/** Adds commands to the command line. */
type AddCommands = (program: Command) => void;

/** A module of commands: the names it brings, and how to load it. */
interface CommandModule {
  readonly names: readonly string[];
  readonly load: () => Promise<AddCommands>;
}

/** In the order of the help. Each is loaded where it is asked for: a command takes longer to load than to do most of what it does. */
export const COMMAND_MODULES: readonly CommandModule[] = [
  { names: ['init'], load: async () => (await import('./commands/init.ts')).addInitCommand },
  { names: ['dev'], load: async () => (await import('./commands/dev.ts')).addDevCommand },
  { names: ['plan'], load: async () => (await import('./commands/plan.ts')).addPlanCommand },
  { names: ['try'], load: async () => (await import('./commands/try.ts')).addTryCommand },
  { names: ['apply'], load: async () => (await import('./commands/apply.ts')).addApplyCommand },
  { names: ['lock'], load: async () => (await import('./commands/lock.ts')).addLockCommand },
  { names: ['list'], load: async () => (await import('./commands/list.ts')).addListCommand },
  { names: ['schema'], load: async () => (await import('./commands/schema.ts')).addSchemaCommand },
  { names: ['start'], load: async () => (await import('./commands/start.ts')).addStartCommand },
  {
    names: ['promote', 'pause', 'resume', 'refresh', 'rebackfill', 'retry', 'retire'],
    load: async () => (await import('./commands/steer.ts')).addSteerCommands,
  },
  {
    names: ['approve', 'rollback', 'discard'],
    load: async () => (await import('./commands/steer-versions.ts')).addVersionSteerCommands,
  },
  { names: ['versions'], load: async () => (await import('./commands/versions.ts')).addVersionsCommand },
  { names: ['status'], load: async () => (await import('./commands/status.ts')).addStatusCommand },
  { names: ['worker'], load: async () => (await import('./commands/worker.ts')).addWorkerCommand },
  { names: ['migrate'], load: async () => (await import('./commands/migrate.ts')).addMigrateCommand },
  { names: ['serve'], load: async () => (await import('./commands/serve.ts')).addServeCommand },
  { names: ['bundle'], load: async () => (await import('./commands/bundle.ts')).addBundleCommand },
  { names: ['token'], load: async () => (await import('./commands/token.ts')).addTokenCommand },
  { names: ['doctor'], load: async () => (await import('./commands/doctor.ts')).addDoctorCommand },
  { names: ['get'], load: async () => (await import('./commands/get.ts')).addGetCommand },
  { names: ['export'], load: async () => (await import('./commands/export.ts')).addExportCommand },
  { names: ['pairs'], load: async () => (await import('./commands/pairs.ts')).addPairsCommand },
  { names: ['archive'], load: async () => (await import('./commands/archive.ts')).addArchiveCommand },
  { names: ['audit'], load: async () => (await import('./commands/audit.ts')).addAuditCommand },
  { names: ['diff'], load: async () => (await import('./commands/diff.ts')).addDiffCommand },
  { names: ['explain'], load: async () => (await import('./commands/explain.ts')).addExplainCommand },
  { names: ['log'], load: async () => (await import('./commands/log.ts')).addLogCommand },
  { names: ['dead-letters'], load: async () => (await import('./commands/dead-letters.ts')).addDeadLettersCommand },
  { names: ['monitor'], load: async () => (await import('./commands/monitor.ts')).addMonitorCommand },
  { names: ['model'], load: async () => (await import('./commands/model.ts')).addModelCommand },
  { names: ['evaluate'], load: async () => (await import('./commands/evaluate.ts')).addEvaluateCommand },
  { names: ['train'], load: async () => (await import('./commands/train.ts')).addTrainCommand },
  { names: ['rollout'], load: async () => (await import('./commands/rollout.ts')).addRolloutCommand },
  { names: ['events'], load: async () => (await import('./commands/events.ts')).addEventsCommand },
  { names: ['demo'], load: async () => (await import('./commands/demo.ts')).addDemoCommand },
];

/**
 * The command line `millrace`, before it is given arguments: with the command of this name alone; where there is none of that name, with all of
 * them, to help.
 *
 * @param name the first word after `millrace`
 * @example
 * await (await createProgram(process.argv[2])).parseAsync();
 */
export async function createProgram(name?: string): Promise<Command> {
  const program = new Command('millrace')
    .description(RELEASE.description)
    .version(RELEASE.version)
    // After a command's name `--version` is the command's own.
    .enablePositionalOptions()
    // What is wrong with a command line is told as every other error is: main.ts.
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  const named = COMMAND_MODULES.filter(({ names }) => name !== undefined && names.includes(name));
  const added = await Promise.all((named.length > 0 ? named : COMMAND_MODULES).map(({ load }) => load()));
  for (const add of added) add(program);
  return program;
}
