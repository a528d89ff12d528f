/**
 * How long short commands of the built package take from start to end, beside a bare `node`, and `import 'millrace/client'`; medians, the processes
 * taking turns. Prints one JSON object. Usage: node bench/start.ts [rounds, default 15]
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectFiles } from '../cli/new-project/project-files.ts';
import { emptyCounts } from '../engine/admission/log-counts.ts';
import { loadDefinitions } from '../engine/define/load-definitions.ts';
import { publishVersion } from '../engine/online/publish-version.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { createStateTable, finishStateTable } from '../engine/postgres/state-table.ts';
import { withTransaction } from '../engine/postgres/transaction.ts';
import { insertVersion, markBuilt } from '../engine/postgres/view-versions.ts';
import { layoutTag } from '../engine/state/layout-tag.ts';
import { createTestDatabase, startTestStack } from '../stack/test-stack.ts';

const ROOT = join(import.meta.dirname, '..');
const ROUNDS = Number(process.argv[2] ?? 15);
const run = promisify(execFile);

/** The package as an installation has it, but for links to the packages of the clone. */
async function install(folder: string): Promise<string> {
  await run(process.execPath, [join(ROOT, 'scripts', 'build.ts')], { cwd: ROOT });
  const home = join(folder, 'node_modules', 'millrace');
  for (const path of ['package.json', 'dist', 'cli/bin.mjs'])
    cpSync(join(ROOT, path), join(home, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  return home;
}

/** A new project's view, live without an entity: a look-up costs the same. */
async function publish(databaseUrl: string, features: string): Promise<void> {
  await migrateToLatest(databaseUrl);
  const view = (await loadDefinitions(features)).views.get('customer_orders')!;
  const pool = createPool(databaseUrl, { max: 2 });
  try {
    const version = await withTransaction(pool, async (client) => {
      const inserted = await insertVersion(client, {
        view: view.name,
        fingerprint: view.fingerprint,
        layout: view.layout,
        layoutTag: layoutTag(view.layout),
        source: view.source.name,
        topic: view.source.topic,
        builder: 'bench',
      });
      await createStateTable(client, view.layout, inserted.stateTable);
      await finishStateTable(client, view.layout, inserted.stateTable);
      await markBuilt(client, {
        view: view.name,
        version: inserted.version,
        cut: null,
        history: null,
        counts: emptyCounts(),
        entities: 0,
        historyWatermarkUs: null,
      });
      return inserted.version;
    });
    await publishVersion({ pool, view: view.name, version });
  } finally {
    await pool.end();
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

async function main(): Promise<void> {
  const stack = process.env['DATABASE_URL'] === undefined ? await startTestStack(() => {}) : null;
  const database = await createTestDatabase(process.env['DATABASE_URL'] ?? stack!.databaseUrl);
  const folder = mkdtempSync(join(tmpdir(), 'millrace-start-'));
  try {
    const home = await install(folder);
    for (const [path, text] of projectFiles({ name: 'shop', millrace: 'file:', nowMs: Date.now() })) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    await publish(database.databaseUrl, join(folder, 'features'));
    writeFileSync(join(folder, 'client.mjs'), "import 'millrace/client';\n");
    writeFileSync(join(folder, 'nothing.mjs'), '\n');
    const bin = join(home, 'cli', 'bin.mjs');
    const commands: Readonly<Record<string, readonly string[]>> = {
      node: ['nothing.mjs'],
      client: ['client.mjs'],
      getHelp: [bin, 'get', '--help'],
      plan: [bin, 'plan'],
      get: [bin, 'get', 'customer_orders', 'customer_id=c01'],
    };
    const env = { PATH: process.env['PATH'], HOME: folder, MILLRACE_DATA_DIR: join(folder, 'state') };
    const seconds: Record<string, number[]> = {};
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, args] of Object.entries(commands)) {
        const begun = performance.now();
        await run(process.execPath, [...args], {
          cwd: folder,
          env: name === 'get' ? { ...env, DATABASE_URL: database.databaseUrl } : env,
        });
        // The first fills the compile cache.
        if (round >= 0) (seconds[name] ??= []).push((performance.now() - begun) / 1000);
      }
    }
    const figures = Object.fromEntries(
      Object.entries(seconds).map(([name, values]) => [`${name}Seconds`, median(values)]),
    );
    process.stdout.write(`${JSON.stringify(figures)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await database.drop();
    await stack?.stop();
  }
}

await main();
