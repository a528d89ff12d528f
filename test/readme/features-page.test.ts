import { errorOf } from '../../engine/values/feature-errors.ts';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { featureBuilder } from '../../engine/define/feature-builder.ts';
import { testView } from '../../engine/testing/view-under-test.ts';
import type { FeatureView } from '../../index.ts';
import { moduleOf } from './typescript-examples.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/features.md'), 'utf8');
const AT = /at (\S+Z) gives\./.exec(page)?.[1] ?? '';

interface Example {
  readonly view: string;
  readonly output: string;
}

/** Each view, and what is printed under it. */
const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```\n```text\n([\s\S]*?)^```$/gm)].map(
  ([, code, output]): Example => ({ view: /export const (\w+) = featureView/.exec(code!)?.[1] ?? '', output: output! }),
);

let folder: string;
let module: Readonly<Record<string, unknown>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-features-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const text = moduleOf(page)!.replace("from 'millrace'", `from '${ROOT}/index.ts'`);
  writeFileSync(join(folder, 'features.ts'), text);
  module = (await import(join(folder, 'features.ts'))) as Readonly<Record<string, unknown>>;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every aggregate and modifier of the builder has its part', () => {
  const names = examples.map(({ view }) => (module[view] as FeatureView).build());
  const used = new Set(names.flatMap((features) => Object.values(features).map(({ aggregate }) => aggregate)));
  const feature = (module['counts'] as FeatureView).build()['orders']!;
  const modifiers = Object.entries(feature).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
  for (const name of [...used, ...modifiers]) expect(page).toMatch(new RegExp(`^## .*\\b${name}\\b`, 'm'));
  expect([...used].toSorted()).toEqual(Object.keys(featureBuilder()).toSorted());
});

test.for(examples)('$view prints what stands there', ({ view: name, output }) => {
  const view = testView(module[name] as FeatureView);
  const { refused } = view.feed(module['rows'] as readonly Readonly<Record<string, unknown>>[]);
  expect(refused).toEqual([]);
  const read = view.read({ shop: 'north' }, AT);
  const shown = Object.entries({ ...(read.found ? {} : { found: false }), ...read.values });
  const lines = shown.map(([feature, value]) => {
    const error = errorOf(read.errors, feature);
    return `${feature.padEnd(24)}${JSON.stringify(value)}${error === undefined ? '' : `, error: ${error}`}\n`;
  });
  expect(lines.join('')).toBe(output);
});
