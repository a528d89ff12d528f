import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cacheDirectory } from '../engine/installation/cache-directory.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { tryLock } from './pid-lock.ts';
import { isAlive } from '../config/process-identity.ts';
import type { OnProgress } from './progress.ts';

export interface InstallOptions {
  readonly onProgress: OnProgress;
  /** Default: `cacheDirectory()`. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal | undefined;
}

/** The folder `installOnce` makes for `key`, or null while it is not there. */
export function installed(key: string, cacheDir: string): string | null {
  const target = join(cacheDir, key);
  return existsSync(target) ? target : null;
}

/**
 * Returns the folder `<cache>/<key>`, which `install` fills the first time. It fills a temporary sibling that is renamed into
 * place, so the folder is complete or absent, however a run ends; of several processes one installs and the others wait.
 *
 * @param key name and version, such as `kafka-4.1.0`
 * @throws MillraceError `cache-not-writable`, and what `install` throws
 * @example
 * const jars = await installOnce('kafka-4.1.0', (dir) => copyJars(dir), { onProgress: console.error });
 */
export async function installOnce(
  key: string,
  install: (temporaryDir: string) => Promise<void>,
  options: InstallOptions,
): Promise<string> {
  const cacheDir = options.cacheDir ?? cacheDirectory();
  const target = join(cacheDir, key);
  if (existsSync(target)) return target;
  makeCacheDir(cacheDir);
  const release = await lockWaiting(join(cacheDir, `${key}.lock`), key, options);
  try {
    if (existsSync(target)) return target;
    sweepAbandoned(cacheDir, key);
    const temporary = join(cacheDir, `${key}.partial-${process.pid}`);
    mkdirSync(temporary, { mode: 0o755 });
    try {
      await install(temporary);
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
    return target;
  } finally {
    release();
  }
}

async function lockWaiting(path: string, key: string, options: InstallOptions): Promise<() => void> {
  let nextLineAtMs = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    const attempt = tryLock(path);
    if (attempt.acquired) return () => attempt.release();
    if (performance.now() >= nextLineAtMs) {
      options.onProgress(`${key}: waiting for process ${attempt.holder.pid}, which is installing it`);
      nextLineAtMs = performance.now() + 5000;
    }
    while (isAlive(attempt.holder) && existsSync(path) && performance.now() < nextLineAtMs) {
      await delay(100, undefined, { signal: options.signal });
    }
  }
}

/** Removes what a killed installer left; only called under the lock. */
function sweepAbandoned(cacheDir: string, key: string): void {
  for (const name of readdirSync(cacheDir)) {
    if (name.startsWith(`${key}.partial-`)) rmSync(join(cacheDir, name), { recursive: true, force: true });
  }
}

function makeCacheDir(cacheDir: string): void {
  try {
    mkdirSync(cacheDir, { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new MillraceError('cache-not-writable', `cannot make the cache folder ${cacheDir}: ${String(cause)}`, {
      remedy: 'Set MILLRACE_CACHE_DIR to a folder this user can write.',
      cause,
    });
  }
}
