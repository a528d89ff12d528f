import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { awaitReady } from './await-ready.ts';
import { cacheDirectory } from '../engine/installation/cache-directory.ts';
import { rememberedPort } from './data-dir.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { locatePostgresData } from './postgres-data-dir.ts';
import {
  passwordFile,
  readPassword,
  setPassword,
  SUPERUSER,
  superuserClient,
  writeAccess,
} from './postgres-password.ts';
import { commandLineOf, type ProcessIdentity } from '../config/process-identity.ts';
import type { OnProgress } from './progress.ts';
import { runStep } from './run-step.ts';
import { startSupervised } from './supervised-process.ts';
import { postgresUser, type UnixUser } from './unprivileged-user.ts';

export interface StartServiceOptions {
  /** The stack's data directory; each service has its own folder in it. */
  readonly dataDir: string;
  readonly onProgress: OnProgress;
  /** Default: the process's environment. */
  readonly variables?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
}

export interface RunningService {
  readonly identity: ProcessIdentity;
  /** The exit code, once it has ended for whatever reason. */
  readonly exited: Promise<number>;
  stop(): Promise<void>;
}

export interface RunningPostgres extends RunningService {
  /** Of the database `millrace`, as superuser `postgres`, with its password. */
  readonly url: string;
  readonly port: number;
}

/**
 * Starts Postgres on 127.0.0.1 with its data in `<dataDir>/postgres` (made the first time), and a database `millrace`. Its superuser has a password,
 * which is in `<dataDir>/postgres.pgpass`; a cluster of a release that had none is given one.
 *
 * @throws MillraceError `service-did-not-start`, `stack-already-running`, `no-postgres-binaries`, `stack-step-failed`, `local-password-refused`
 * @example
 * const postgres = await startPostgres({ dataDir: '/tmp/a', onProgress: console.error });
 */
export async function startPostgres(
  options: StartServiceOptions & { readonly port?: number },
): Promise<RunningPostgres> {
  const { dataDir, onProgress, signal } = options;
  const user = postgresUser();
  const bin = await postgresBinaries(user, cacheDirectory(options.variables), onProgress, signal);
  const home = locatePostgresData(dataDir, user);
  if (user) chownSync(home, user.uid, user.gid);
  const cluster = join(home, 'cluster');
  const env = { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), LC_ALL: 'C', TZ: 'UTC' };
  const logFile = join(dataDir, 'logs', 'postgres.log');
  if (!existsSync(cluster)) await initialise(bin, cluster, { ...options, user, env });
  clearStalePidFile(cluster);
  const port = await rememberedPort(dataDir, 'postgres', options.port);
  writeConfiguration(cluster, port);
  const known = readPassword(dataDir);
  writeAccess(cluster, known === null ? 'trust' : 'scram-sha-256');
  const server = await startSupervised({
    name: 'postgres',
    command: join(bin, 'postgres'),
    args: ['-D', cluster],
    env,
    user,
    logFile,
    // INT is the fast shutdown: sessions are ended and a checkpoint written. TERM would wait for every client.
    stopSignal: 'INT',
    graceSeconds: 30,
  });
  let isRefused = false;
  const probe = async (): Promise<void> => {
    isRefused = !(await ensureDatabase(port, known ?? ''));
  };
  await awaitReady({ service: 'postgres', process: server, logFile, onProgress, signal, probe });
  let password = known;
  try {
    if (isRefused) throw passwordRefused(dataDir);
    password ??= await setPassword(dataDir, cluster, port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/millrace`,
    port,
    identity: server.identity,
    exited: server.exited,
    stop: async () => {
      await server.stop();
    },
  };
}

const INVALID_PASSWORD = '28P01';

function passwordRefused(dataDir: string): MillraceError {
  const file = passwordFile(dataDir);
  return new MillraceError('local-password-refused', `the local Postgres refuses the password of ${file}`, {
    remedy: `Somebody changed it. Put the new one there, or delete the file: the next start sets another.`,
    httpStatus: 500,
    details: { file },
  });
}

interface InitialiseOptions extends StartServiceOptions {
  readonly user: UnixUser | null;
  readonly env: NodeJS.ProcessEnv;
}

/** Makes the cluster aside and renames it, so that a killed initdb never leaves half a cluster behind. */
async function initialise(bin: string, cluster: string, options: InitialiseOptions): Promise<void> {
  const draft = `${cluster}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  if (options.user) chownSync(draft, options.user.uid, options.user.gid);
  await runStep({
    name: 'initdb',
    command: join(bin, 'initdb'),
    args: ['-D', draft, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--locale=C'],
    env: options.env,
    user: options.user,
    logFile: join(options.dataDir, 'logs', 'initdb.log'),
    onProgress: options.onProgress,
    line: (seconds) => `postgres: making its database cluster, ${seconds} s so far`,
    remedy: 'Check that the disk of the data directory has room and that its file system keeps Unix permissions.',
    signal: options.signal,
  });
  const conf = join(draft, 'postgresql.conf');
  writeFileSync(conf, `${readFileSync(conf, 'utf8')}\ninclude 'millrace.conf'\n`);
  renameSync(draft, cluster);
}

function writeConfiguration(cluster: string, port: number): void {
  const settings = [
    '# Written at every start: changes belong into postgresql.conf, below its include line.',
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    "unix_socket_directories = ''",
    'max_connections = 200',
    'shared_buffers = 256MB',
    'max_wal_size = 2GB',
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
  ];
  const file = join(cluster, 'millrace.conf');
  writeFileSync(file, `${settings.join('\n')}\n`);
  chmodSync(file, 0o644);
}

/**
 * Postgres refuses to start while the process id in postmaster.pid is taken, and after a crash any process may have it
 * (in a container, often the same small number): the file counts only if a server of this very cluster has that id.
 */
function clearStalePidFile(cluster: string): void {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (Number.isSafeInteger(pid) && commandLineOf(pid)?.includes(cluster)) {
    throw new MillraceError('stack-already-running', `a Postgres server (process ${pid}) already runs on ${cluster}`, {
      remedy: `Stop process ${pid}, or set MILLRACE_DATA_DIR to another folder.`,
      details: { pid, dataDir: cluster },
    });
  }
  rmSync(file);
}

/** False where the server is there and refuses the password. */
async function ensureDatabase(port: number, password: string): Promise<boolean> {
  const client = superuserClient(port, password);
  try {
    await client.connect();
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = 'millrace'");
    if (rowCount === 0) await client.query('CREATE DATABASE millrace');
    return true;
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === INVALID_PASSWORD) return false;
    throw error;
  } finally {
    await client.end();
  }
}
