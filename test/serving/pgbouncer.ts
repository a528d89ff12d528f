import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { installOnce } from '../../stack/cache-dir.ts';
import { findOnPath } from '../../stack/find-tool.ts';
import { freePort } from '../../stack/free-port.ts';
import { postgresUser } from '../../stack/unprivileged-user.ts';

const PACKAGES = ['pgbouncer', 'libevent-2.1-7', 'libc-ares2'];
const LIBRARIES = 'usr/lib/x86_64-linux-gnu';

/** The program and the folder of its libraries; null where there is none, and no Debian packages to take it from. */
export async function findPgBouncer(): Promise<{ readonly command: string; readonly libraries: string } | null> {
  const onPath = findOnPath('pgbouncer', process.env);
  if (onPath !== null) return { command: onPath, libraries: '' };
  const canFetch = ['apt-get', 'dpkg'].every((tool) => findOnPath(tool, process.env) !== null);
  if (!canFetch || platform() !== 'linux' || arch() !== 'x64') return null;
  const folder = await installOnce(
    'pgbouncer-debian',
    (temporary) => {
      execFileSync('apt-get', ['download', ...PACKAGES], { cwd: temporary, stdio: 'ignore' });
      for (const name of readdirSync(temporary)) execFileSync('dpkg', ['-x', name, '.'], { cwd: temporary });
      return Promise.resolve();
    },
    { onProgress: () => {} },
  );
  return { command: join(folder, 'usr', 'sbin', 'pgbouncer'), libraries: join(folder, LIBRARIES) };
}

/** A PgBouncer in transaction mode, before a server, with fewer connections than its callers use. */
export async function startPgBouncer(databaseUrl: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const found = await findPgBouncer();
  if (found === null) throw new Error('there is no pgbouncer');
  const server = new URL(databaseUrl);
  const port = await freePort();
  const folder = mkdtempSync('/tmp/millrace-pgbouncer-');
  chmodSync(folder, 0o755);
  // Its user may not enter the folder of the cache.
  const command = join(folder, 'pgbouncer');
  cpSync(found.command, command);
  const libraries = join(folder, 'lib');
  if (found.libraries !== '') cpSync(found.libraries, libraries, { recursive: true, verbatimSymlinks: true });
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${server.hostname} port=${server.port} user=${server.username} password=${server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
server_round_robin = 1
`,
  );
  const ini = join(folder, 'pgbouncer.ini');
  const user = postgresUser();
  const child = spawn(command, [ini], {
    env: found.libraries === '' ? {} : { LD_LIBRARY_PATH: libraries },
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(user === null ? {} : user),
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const url = new URL(databaseUrl);
  url.port = String(port);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const untilMs = performance.now() + 20_000;
  for (;;) {
    const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 1_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      await client.end();
      return { url: url.href, stop };
    } catch (error) {
      client.end().catch(() => undefined);
      if (child.exitCode !== null || performance.now() > untilMs) {
        await stop();
        throw new Error(`pgbouncer does not answer: ${said}`, { cause: error });
      }
      await delay(50);
    }
  }
}
