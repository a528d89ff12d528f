import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { INSTALLATION_HELP } from '../command-context.ts';
import { ownModule } from '../../engine/installation/own-module.ts';

/** `millrace worker`: the worker process, by the environment. */
export function addWorkerCommand(program: Command): void {
  program
    .command('worker')
    .description(
      'a worker: backfills, streams and exports, until it is told to stop; by the environment, logs as JSON lines',
    )
    .option('--features <dir>', 'folder of definitions (default: MILLRACE_FEATURES, else ./features)')
    .option('--installation <name>', INSTALLATION_HELP)
    .action(async ({ features, installation }: { readonly features?: string; readonly installation?: string }) => {
      if (features !== undefined) process.env['MILLRACE_FEATURES'] = features;
      if (installation !== undefined) process.env['MILLRACE_INSTALLATION'] = installation;
      const { readEnvironment } = await import('../../config/environment.ts');
      const { memoryFlags } = await import('../../config/worker-memory.ts');
      const worker = ownModule('../../worker', import.meta.url);
      // V8 takes the size of its heap at its start only: this process becomes the worker, with the heap that MILLRACE_MEMORY_MB leaves it. One that
      // has a channel to its parent would lose that, and Windows has no such call.
      if (process.platform === 'win32' || process.connected) await import(worker.href);
      else {
        const flags = memoryFlags(readEnvironment().memoryMb);
        const command = [process.execPath, ...process.execArgv, ...flags, fileURLToPath(worker)];
        process.execve?.(process.execPath, command, definedOf(process.env));
      }
    });
}

function definedOf(variables: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
