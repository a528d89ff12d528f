import { readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { cacheDirectory } from '../engine/installation/cache-directory.ts';
import { installed, installOnce } from './cache-dir.ts';
import { findOnPath } from './find-tool.ts';
import { isWritable } from './kafka-install.ts';
import { type OnProgress, withHeartbeat } from './progress.ts';
import { runStep } from './run-step.ts';

const CLI_VERSION = '1.5.1';
const BUILT_KEY = `temporal-${CLI_VERSION}`;
const DOWNLOADED_KEY = 'temporal-sdk-download';

/** True if a `temporal` is there already, so that neither Go nor a download is needed. */
export function temporalIsInstalled(variables: NodeJS.ProcessEnv): boolean {
  const cacheDir = cacheDirectory(variables);
  return (
    findOnPath('temporal', variables) !== null ||
    installed(BUILT_KEY, cacheDir) !== null ||
    installed(DOWNLOADED_KEY, cacheDir) !== null
  );
}

/**
 * The Temporal CLI with its development server and Web UI: from `PATH`, else built once with Go, else downloaded by the SDK.
 *
 * @throws MillraceError `no-temporal`, `stack-step-failed`
 */
export async function temporalExecutable(
  variables: NodeJS.ProcessEnv,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<string> {
  const onPath = findOnPath('temporal', variables);
  if (onPath !== null) return onPath;
  const cacheDir = cacheDirectory(variables);
  const common = { onProgress, cacheDir, signal };
  const downloaded = installed(DOWNLOADED_KEY, cacheDir);
  const built = installed(BUILT_KEY, cacheDir);
  if (built !== null || downloaded !== null) return join(built ?? downloaded ?? '', 'temporal');
  const go = findOnPath('go', variables);
  let whyNotBuilt = 'there is no go to build it with';
  if (go !== null) {
    try {
      const install = (temporary: string): Promise<void> => build(go, temporary, variables, onProgress, signal);
      return join(await installOnce(BUILT_KEY, install, common), 'temporal');
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'stack-step-failed') throw error;
      whyNotBuilt = error.message;
      onProgress(`temporal: the build failed (log: ${join(cacheDir, 'logs', 'temporal-build.log')})`);
    }
  }
  const install = (temporary: string): Promise<void> => download(temporary, whyNotBuilt, onProgress);
  return join(await installOnce(DOWNLOADED_KEY, install, common), 'temporal');
}

async function build(
  go: string,
  temporary: string,
  variables: NodeJS.ProcessEnv,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<void> {
  const cacheDir = cacheDirectory(variables);
  // Without a home of its own the user has no Go folders either: this build's then go away with it.
  const scratch = join(temporary, 'scratch');
  const folders = isWritable(homedir())
    ? {}
    : {
        HOME: scratch,
        GOPATH: join(scratch, 'go'),
        GOCACHE: join(scratch, 'go-build'),
        GOFLAGS: `${variables['GOFLAGS'] ?? ''} -modcacherw`.trim(),
      };
  onProgress(`temporal: building CLI ${CLI_VERSION} with Go (about 4 CPU-minutes, once)`);
  await runStep({
    name: 'temporal-build',
    command: go,
    args: ['install', `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`],
    env: childEnvironment(variables, { ...folders, GOBIN: temporary }, 'fetch'),
    cwd: temporary,
    logFile: join(cacheDir, 'logs', 'temporal-build.log'),
    onProgress,
    line: (seconds) => `temporal: building CLI ${CLI_VERSION} with Go, ${seconds} s so far`,
    remedy:
      'Put the Temporal CLI on PATH (https://docs.temporal.io/cli), or set TEMPORAL_ADDRESS to a Temporal that runs already.',
    signal,
  });
  rmSync(scratch, { recursive: true, force: true });
}

/** The SDK offers its download only as part of starting a server: it starts one and stops it, and the file stays. */
async function download(temporary: string, whyNotBuilt: string, onProgress: OnProgress): Promise<void> {
  onProgress('temporal: letting the SDK download its development server');
  try {
    const { TestWorkflowEnvironment } = await import('@temporalio/testing');
    const started = TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'cached-download', downloadDir: temporary } },
    });
    const line = (seconds: number): string => `temporal: downloading its development server, ${seconds} s so far`;
    await (await withHeartbeat(onProgress, line, started)).teardown();
    const name = readdirSync(temporary).find((entry) => entry.startsWith('temporal'));
    if (name === undefined) throw new Error(`the SDK left no file in ${temporary}`);
    if (name !== 'temporal') renameSync(join(temporary, name), join(temporary, 'temporal'));
  } catch (cause) {
    throw new MillraceError(
      'no-temporal',
      `there is no temporal on PATH, ${whyNotBuilt}; and the SDK's download failed: ${String(cause)}`,
      {
        remedy:
          'Put the Temporal CLI on PATH (https://docs.temporal.io/cli), install Go 1.21 or newer, or set TEMPORAL_ADDRESS to a Temporal that runs already.',
        httpStatus: 500,
        cause,
      },
    );
  }
}
