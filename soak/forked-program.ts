import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts a program of the soak in a process of its own; it means the sources where it names `millrace`, whoever started us. */
export function forkProgram(program: URL, config: object): ChildProcess {
  return fork(fileURLToPath(program), [JSON.stringify(config)], {
    execArgv: ['--import', new URL('../scripts/from-source.ts', import.meta.url).href],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1', NODE_NO_WARNINGS: '1' },
  });
}
