import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installOnce } from '../../stack/cache-dir.ts';

const run = promisify(execFile);

/** Where the example is. */
export const EXAMPLE = join(import.meta.dirname, '../../examples/python');

/** How a script ended. */
export interface ScriptEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The version of the Python on PATH, `3.11.7`; null where there is none that the example runs with. */
export async function pythonVersion(): Promise<string | null> {
  const text = await run('python3', ['-c', 'import ensurepip, venv, sys; print(sys.version.split()[0])']).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  );
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return major === 3 && minor >= 11 ? text : null;
}

/** A Python that has what the example requires: made once per version of either, outside the checkout. */
export async function examplePython(version: string): Promise<string> {
  const requirements = join(EXAMPLE, 'requirements.txt');
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = await installOnce(
    `python-${version}-${digest}`,
    async (temporaryDir) => {
      await run('python3', ['-m', 'venv', temporaryDir]);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:'];
      await run(join(temporaryDir, 'bin/python'), [...pip, '--requirement', requirements]);
    },
    { onProgress: (line) => process.stderr.write(`${line}\n`) },
  );
  return join(folder, 'bin/python');
}

/** Runs a script of the example, or a line of Python beside it. */
export async function runPython(
  python: string,
  args: readonly string[],
  variables: NodeJS.ProcessEnv,
): Promise<ScriptEnd> {
  // Nothing is compiled into the checkout.
  const env = { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: EXAMPLE, ...variables };
  try {
    return { code: 0, ...(await run(python, args, { env, cwd: EXAMPLE })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}
