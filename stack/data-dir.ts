import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { freePort } from './free-port.ts';
import { tryLock } from './pid-lock.ts';
import { removePostgresData } from './postgres-data-dir.ts';
import { isAlive, type ProcessIdentity } from '../config/process-identity.ts';
import type { OnProgress } from './progress.ts';

const MARKER = '.millrace-data';
const LOCK = 'stack.lock';
const PROCESSES = 'processes.json';
const PORTS = 'ports.json';
/** What commands may have put there before any stack was started: the usual places of MILLRACE_SPILL_DIR and MILLRACE_ARCHIVE_DIR. */
const NOT_OF_A_STACK = new Set(['spill', 'archive']);

/** A data directory that this process holds alone. */
export interface DataDir {
  readonly path: string;
  /** Records a started process, so that a later start can end it should it outlive us. */
  record(service: string, identity: ProcessIdentity): void;
  release(): void;
}

/**
 * Makes the directory if needed and takes it for this process; waits for processes of a killed stack to end.
 *
 * @throws MillraceError `stack-already-running`, `not-a-data-directory`
 */
export async function openDataDir(path: string, reset: boolean, onProgress: OnProgress): Promise<DataDir> {
  claimDirectory(path);
  const lock = tryLock(join(path, LOCK));
  if (!lock.acquired) {
    const { pid } = lock.holder;
    throw new MillraceError('stack-already-running', `process ${pid} already runs a stack in ${path}`, {
      remedy: `Stop process ${pid}, or set MILLRACE_DATA_DIR to another folder.`,
      details: { pid, dataDir: path },
    });
  }
  try {
    await endLeftOvers(path, onProgress);
    if (reset) {
      onProgress(`deleting the data in ${path}`);
      emptyDataDir(path);
    }
  } catch (error) {
    lock.release();
    throw error;
  }
  const processes: Record<string, ProcessIdentity> = {};
  return {
    path,
    record: (service, identity) => {
      processes[service] = identity;
      writeJson(join(path, PROCESSES), processes);
    },
    release: () => {
      rmSync(join(path, PROCESSES), { force: true });
      lock.release();
    },
  };
}

/** Deletes a data directory of a stack that does not run; one without our marker is refused. */
export function removeDataDir(path: string): void {
  if (!existsSync(path)) return;
  if (!existsSync(join(path, MARKER))) throw notOurs(path);
  emptyDataDir(path);
  rmSync(path, { recursive: true, force: true });
}

/**
 * The port a service had in its last run if that is still free, else a new one, remembered; advertised addresses and
 * bookmarks so survive a restart. `fixed` wins over both.
 */
export async function rememberedPort(dataDir: string, service: string, fixed?: number): Promise<number> {
  if (fixed !== undefined) return fixed;
  const file = join(dataDir, PORTS);
  const port = await freePort(readPorts(file)[service]);
  // Read again: other services find their ports at the same time.
  writeJson(file, { ...readPorts(file), [service]: port });
  return port;
}

function claimDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
    accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new MillraceError(
      'data-directory-not-writable',
      `cannot write the data directory ${path}: ${String(cause)}`,
      {
        remedy: 'Set MILLRACE_DATA_DIR to a folder this user can write.',
        cause,
      },
    );
  }
  const marker = join(path, MARKER);
  if (existsSync(marker)) return;
  if (readdirSync(path).some((name) => !NOT_OF_A_STACK.has(name))) throw notOurs(path);
  writeFileSync(
    marker,
    'Millrace keeps the data of its local services here. This file lets it delete them (--reset).\n',
  );
}

function notOurs(path: string): MillraceError {
  return new MillraceError(
    'not-a-data-directory',
    `${path} holds files but not the marker ${MARKER}: it is not a data directory of Millrace`,
    {
      remedy: 'Set MILLRACE_DATA_DIR to an empty or new folder.',
      details: { dataDir: path },
    },
  );
}

function emptyDataDir(path: string): void {
  removePostgresData(path);
  for (const name of readdirSync(path)) {
    if (name !== MARKER && name !== LOCK) rmSync(join(path, name), { recursive: true, force: true });
  }
}

async function endLeftOvers(path: string, onProgress: OnProgress): Promise<void> {
  const file = join(path, PROCESSES);
  if (!existsSync(file)) return;
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as Record<string, ProcessIdentity>;
  for (const [service, identity] of Object.entries(recorded)) {
    if (!isAlive(identity)) continue;
    onProgress(`${service}: waiting for process ${identity.pid} of an earlier run to end`);
    const killAtMs = performance.now() + 20_000;
    let killed = false;
    while (isAlive(identity)) {
      if (!killed && performance.now() > killAtMs) {
        process.kill(identity.pid, 'SIGKILL');
        killed = true;
      }
      await delay(100);
    }
  }
  rmSync(file, { force: true });
}

function readPorts(file: string): Record<string, number> {
  if (!existsSync(file)) return {};
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
}

function writeJson(file: string, value: unknown): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(draft, file);
}
