import type { Command } from 'commander';

/** `millrace worker`: the worker process, by the environment. */
export function addWorkerCommand(program: Command): void {
  program
    .command('worker')
    .description(
      'a worker: backfills, streams and exports, until it is told to stop; by the environment, logs as JSON lines',
    )
    .option('--features <dir>', 'folder of definitions (default: MILLRACE_FEATURES, else ./features)')
    .action(async ({ features }: { readonly features?: string }) => {
      if (features !== undefined) process.env['MILLRACE_FEATURES'] = features;
      await import('../../worker.ts');
    });
}
