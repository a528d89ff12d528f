/** What a version is known by, under other minor versions of the bundler and of Node than those at hand. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';

interface Identities {
  readonly node: string;
  readonly esbuild: string;
  readonly views: Readonly<Record<string, string>>;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['test/define/identities', 'features', 'test/upgrade/features', 'cli/new-project/files/features'];
/** Their code reaches into packages. */
const WITH_PACKAGES = ['device_levels', 'device_tables'];
/** The binary of another Node: `npm install --prefix FOLDER node@24.20.0` gives one (120 MB, which is why nobody is made to have it). */
const OTHER_NODE = process.env['MILLRACE_OTHER_NODE'];
const TIMEOUT_MS = 180_000;

async function identitiesBy(node: string, ...more: readonly string[]): Promise<Identities> {
  const { stdout } = await promisify(execFile)(node, [...more, 'test/define/print-identities.ts', ...FOLDERS], {
    cwd: ROOT,
  });
  return JSON.parse(stdout) as Identities;
}

const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');
const sorted = (views: Identities['views'], isWanted: (name: string) => boolean): [string, string][] =>
  Object.entries(views)
    .filter(([name]) => isWanted(name))
    .toSorted();

let here: Identities;
beforeAll(async () => {
  here = await identitiesBy(process.execPath);
}, TIMEOUT_MS);

describe('the fingerprint of a view', { timeout: TIMEOUT_MS }, () => {
  it('is the same by the bundler of a minor version before, but for code of packages, which is as that prints it', async () => {
    const before = await identitiesBy(process.execPath, '--import', './test/define/bundler-before.ts');
    expect(minorOf(before.esbuild)).not.toBe(minorOf(here.esbuild));
    const isOwn = (name: string): boolean => !WITH_PACKAGES.includes(name);
    expect(sorted(before.views, isOwn)).toEqual(sorted(here.views, isOwn));
    expect(Object.keys(before.views)).toEqual(expect.arrayContaining([...WITH_PACKAGES, 'route_delays']));
  });

  it.skipIf(OTHER_NODE === undefined)(
    'is the same by another minor version of Node (MILLRACE_OTHER_NODE)',
    async () => {
      const other = await identitiesBy(OTHER_NODE ?? '');
      expect(minorOf(other.node)).not.toBe(minorOf(here.node));
      expect(other.views).toEqual(here.views);
    },
  );
});
