/** Bundles that a program with another bundler, or another Node, made: the same versions here, with the same states byte for byte. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { sameVersion } from '../../engine/bundles/bundle-code.ts';
import { openBundle } from '../../engine/bundles/open-bundle.ts';
import { parseBundle } from '../../engine/bundles/view-bundle.ts';
import type { CompiledView, PreparedEvent } from '../../engine/define/compiled-view.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { sampleRows } from '../../engine/purity/sample-values.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['test/define/identities', 'features', 'test/upgrade/features', 'cli/new-project/files/features'];
/** The binary of another Node: `npm install --prefix FOLDER node@24.20.0` gives one (120 MB, which is why nobody is made to have it). */
const OTHER_NODE = process.env['MILLRACE_OTHER_NODE'];
const TIMEOUT_MS = 180_000;
const NOON_US = Date.UTC(2026, 0, 1, 12) * 1000;

interface Made {
  readonly node: string;
  readonly esbuild: string;
  readonly bundles: Readonly<Record<string, string>>;
}

async function bundlesBy(node: string, ...more: readonly string[]): Promise<Made> {
  const { stdout } = await promisify(execFile)(node, [...more, 'test/bundles/print-bundles.ts', ...FOLDERS], {
    cwd: ROOT,
    maxBuffer: 64 * 2 ** 20,
  });
  return JSON.parse(stdout) as Made;
}

const here = new Map<string, CompiledView>();
beforeAll(async () => {
  for (const folder of FOLDERS)
    for (const [name, view] of (await loadDefinitions(`${ROOT}${folder}`)).views) here.set(name, view);
}, TIMEOUT_MS);

/** The states of every key, in hex, after rows of the contract: each row a second after the one before. */
function statesOf(view: CompiledView, like: CompiledView): Record<string, string> {
  const reducer = createViewReducer(view.layout);
  const states = new Map<string, ReturnType<typeof reducer.empty>>();
  const out: PreparedEvent = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs: [] };
  const { tieBreak } = view.layout;
  for (const [index, row] of sampleRows(like.carried!.plans).rows.entries()) {
    const id = tieBreak === 'offset' ? null : `${index}`;
    const event = { row, eventTimeUs: NOON_US + index * 1_000_000, id, partition: 0, offset: index, number: index };
    if (view.prepare(event, out) !== 'ok') continue;
    const state = states.get(out.keyText) ?? reducer.empty();
    states.set(out.keyText, state);
    reducer.apply(state, out);
  }
  return Object.fromEntries(
    [...states].map(([key, state]) => [key, Buffer.from(reducer.encode(state)).toString('hex')]),
  );
}

async function areTheSameHere({ bundles }: Made): Promise<string[]> {
  const renamed: string[] = [];
  expect(Object.keys(bundles).toSorted()).toEqual([...here.keys()].toSorted());
  for (const [name, text] of Object.entries(bundles)) {
    const view = here.get(name)!;
    const bundle = parseBundle(text);
    expect([name, await sameVersion(view, bundle)]).toEqual([name, true]);
    const opened = await openBundle(bundle, view.carried!.baseFolder);
    expect(opened).toMatchObject({ fingerprint: bundle.fingerprint, layout: view.layout });
    const states = statesOf(opened, view);
    expect(Object.keys(states).length).toBeGreaterThan(0);
    expect(states).toEqual(statesOf(view, view));
    if (bundle.fingerprint !== view.fingerprint) renamed.push(name);
  }
  return renamed.toSorted();
}

const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');

describe('a bundle', { timeout: TIMEOUT_MS }, () => {
  it('that the bundler of a minor version before made is the same version, whatever that printed of packages', async () => {
    const made = await bundlesBy(process.execPath, '--import', './test/bundles/bundler-before.ts');
    expect(minorOf(made.esbuild)).not.toBe(minorOf((await import('esbuild')).version));
    // These two would have got another fingerprint today; they keep theirs.
    expect(await areTheSameHere(made)).toEqual(['device_levels', 'device_tables']);
  });

  it.skipIf(OTHER_NODE === undefined)('that another minor version of Node made is the same version', async () => {
    const made = await bundlesBy(OTHER_NODE ?? '');
    expect(minorOf(made.node)).not.toBe(minorOf(process.versions.node));
    expect(await areTheSameHere(made)).toEqual([]);
  });
});
