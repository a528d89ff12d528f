import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { childEnvironment } from '../../engine/installation/child-environment.ts';
import { RELEASE } from '../../engine/installation/release.ts';
import { lockPacking } from './packing-lock.ts';

/** Where the example is developed; what is run is a copy that installs the packed package, as anybody's project does. */
export const EXAMPLE = join(RELEASE.folder, 'examples', 'flight-delay');

/** `examples/flight-delay`, installed elsewhere. */
export interface ExampleProject {
  readonly folder: string;
  /** Runs one of its programs to its end; `onLine` hears what it says. Throws MillraceError `program-failed` with the last of it. */
  run(program: string, args: readonly string[], onLine: (line: string) => void): Promise<void>;
}

/** What its programs are run with: no variable of ours but those given. */
export function exampleEnvironment(more: NodeJS.ProcessEnv = {}, task: 'run' | 'fetch' = 'run'): NodeJS.ProcessEnv {
  const { PATH = '', npm_config_registry: registry } = process.env;
  return childEnvironment(
    process.env,
    {
      PATH: `${dirname(process.execPath)}:${PATH}`,
      NODE_NO_WARNINGS: '1',
      ...(task === 'fetch' && registry !== undefined ? { npm_config_registry: registry } : {}),
      ...more,
    },
    task,
  );
}

/**
 * Packs this clone, copies the example into `folder` and installs the packed file there, with what else the example names, from the registry.
 *
 * @throws MillraceError `program-failed` with what npm said
 */
export async function installExample(folder: string, packedDir: string, signal: AbortSignal): Promise<ExampleProject> {
  const lock = await lockPacking(RELEASE.folder, signal);
  try {
    await npm(['pack', '--silent', '--pack-destination', packedDir], RELEASE.folder, signal);
  } finally {
    lock.release();
  }
  await cp(EXAMPLE, folder, { recursive: true, filter: (path) => !path.includes('node_modules') });
  const packed = (await readdir(packedDir)).find((file) => file.endsWith('.tgz')) ?? '';
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', join(packedDir, packed)];
  await npm(install, folder, signal);
  return { folder, run: (program, args, onLine) => runProgram(folder, program, args, onLine, signal) };
}

async function npm(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  try {
    const env = exampleEnvironment({}, 'fetch');
    await promisify(execFile)('npm', args, { cwd, env, signal, maxBuffer: 16 << 20 });
  } catch (cause) {
    signal.throwIfAborted();
    const { stdout = '', stderr = '', message } = cause as Error & { stdout?: string; stderr?: string };
    throw programFailed(`npm ${args[0]}`, `${stdout}${stderr}`.trim().slice(-2_000) || message, cause);
  }
}

/** Runs a program of a project that lies in `folder`. Throws MillraceError `program-failed` with the last of what it said. */
export async function runProgram(
  folder: string,
  program: string,
  args: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: exampleEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      last.push(line);
      if (last.length > 20) last.shift();
      onLine(line);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw programFailed(program, last.join('\n'));
}

function programFailed(program: string, said: string, cause?: unknown): MillraceError {
  return new MillraceError('program-failed', `${program} did not do what it was to: ${said}`, {
    remedy: 'See what it says; it is run as any project would run it, with Node and npm.',
    cause,
  });
}
