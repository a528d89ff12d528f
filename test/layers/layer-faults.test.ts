import { describe, expect, test } from 'vitest';
import { circles } from '../../scripts/circles.ts';
import { layerFaults, type LayerRules } from '../../scripts/layer-faults.ts';
import { importsOf } from '../../scripts/module-imports.ts';

const rules: LayerRules = {
  levels: [
    ['engine/values/names.ts'],
    ['engine/values'],
    ['engine/state', 'engine/topic'],
    ['index.ts'],
    ['flows'],
    ['acts'],
    ['worker.ts'],
    ['stack'],
    ['cli'],
    ['cli/main.ts'],
    ['test'],
  ],
  typesOnly: [{ from: 'flows', to: ['acts', 'engine'], except: ['engine/values/names.ts'] }],
  packages: [
    { packages: ['pg'], rooms: ['engine/topic'] },
    { packages: ['@temporal/client'], rooms: ['cli'] },
  ],
  free: ['test'],
  deployed: { entries: ['worker.ts', 'cli/main.ts'], never: ['stack'] },
  self: { shop: 'index.ts' },
};

/** A tree that keeps every rule. */
const sound: Readonly<Record<string, string>> = {
  'engine/values/names.ts': `export const n = 1;\n`,
  'engine/values/clock.ts': `import { join } from 'node:path';\nexport const a = join;\n`,
  'engine/state/state.ts': `import { a } from '../values/clock.ts';\nexport { a };\n`,
  'engine/topic/topic.ts': `import pg from 'pg';\nimport type { a } from '../values/clock.ts';\n`,
  'index.ts': `export { a } from './engine/state/state.ts';\n`,
  'flows/one/contract.ts': `import type { acts } from '../../acts/all.ts';\n`,
  'flows/one/flow.ts': `import { b } from './contract.ts';\nimport { n } from '../../engine/values/names.ts';\nimport { c } from '../two/contract.ts';\n`,
  'flows/two/contract.ts': `import type { a } from '../../engine/state/state.ts';\n`,
  'flows/two/flow.ts': `import { b } from '../one/contract.ts';\n`,
  'acts/all.ts': `import type { b } from '../flows/one/contract.ts';\n`,
  'worker.ts': `import { acts } from './acts/all.ts';\n`,
  'stack/kafka.ts': `export const kafka = 1;\n`,
  'cli/dev.ts': `import { kafka } from '../stack/kafka.ts';\nimport { Client } from '@temporal/client';\n`,
  'cli/main.ts': `import type { Dev } from './dev.ts';\nconst { dev } = await import('./dev.ts');\n`,
  'test/a.test.ts': `import { test } from 'vitest';\nimport shop from 'shop';\n`,
};

const faultsWith = (changes: Readonly<Record<string, string>>): string[] =>
  layerFaults(new Map(Object.entries({ ...sound, ...changes })), rules);

describe('the layers', () => {
  test('a tree that keeps the rules has no fault', () => {
    expect(faultsWith({})).toEqual([]);
  });

  test.each<[string, Record<string, string>, string[]]>([
    [
      'a higher room, be it for a type',
      { 'engine/values/clock.ts': `import type { a } from '../state/state.ts';\n` },
      [
        'engine/values/clock.ts imports engine/state/state.ts: engine/state is not below engine/values',
        'a circle of folders: engine/state, engine/values',
      ],
    ],
    [
      'a room beside it',
      { 'engine/state/other.ts': `export * from '../topic/topic.ts';\n` },
      ['engine/state/other.ts imports engine/topic/topic.ts: engine/topic is not below engine/state'],
    ],
    [
      'itself by its own name from below',
      { 'engine/topic/own.ts': `import { a } from 'shop';\n` },
      ['engine/topic/own.ts imports index.ts: index.ts is not below engine/topic'],
    ],
    [
      'more than types, where only they are allowed',
      { 'flows/one/more.ts': `import { type a } from '../../engine/state/state.ts';\n` },
      ['flows/one/more.ts imports engine/state/state.ts: flows takes only types of engine/state'],
    ],
    [
      'a package of others',
      { 'engine/state/other.ts': `import type pg from 'pg';\n` },
      ['engine/state/other.ts imports pg: the package is for engine/topic'],
    ],
    [
      'a package nobody was given',
      { 'cli/other.ts': `import left from 'left-pad/lib';\n` },
      ['cli/other.ts imports left-pad/lib: the table does not say which rooms this package is for'],
    ],
    [
      'local services, by way of others',
      { 'cli/main.ts': `import { dev } from './dev.ts';\n` },
      ['a deployment loads stack/kafka.ts: cli/main.ts → cli/dev.ts → stack/kafka.ts'],
    ],
    [
      'each other, within a room',
      {
        'cli/a/x.ts': `import { y } from '../b/y.ts';\n`,
        'cli/b/y.ts': `import { z } from '../a/z.ts';\n`,
        'cli/a/z.ts': 'export const z = 1;\n',
      },
      ['a circle of folders: cli/a, cli/b'],
    ],
    ['no room', { 'lib/x.ts': '' }, ['lib/x.ts: no room of the table (scripts/layers.ts) has this file']],
  ])('reports what imports %s', (_, changes, expected) => {
    expect(faultsWith(changes)).toEqual(expected);
  });

  test('reports a room that is gone', () => {
    const { 'stack/kafka.ts': _, ...rest } = sound;
    expect(layerFaults(new Map(Object.entries({ ...rest, 'cli/dev.ts': '' })), rules)).toEqual([
      'stack: the table names a room that is not there',
    ]);
  });
});

test('a module’s imports are found as it writes them, and not where it only speaks of them', () => {
  const text = [
    `import './side-effect.ts';`,
    `import json from '../package.json' with { type: 'json' };`,
    `import a, { type B } from 'pkg';`,
    'import {',
    '  c,',
    '  type D,',
    `} from './many.ts';`,
    `import type { E } from './types.ts';`,
    `import type * as all from './all-types.ts';`,
    `export { f } from './again.ts';`,
    `export type { G } from './again-types.ts';`,
    `export * from './every.ts';`,
    `// import { no } from './comment.ts';`,
    ` * import { no } from './doc.ts';`,
    `const lazy = await import('./lazy.ts');`,
    `type Lazy = typeof import('./lazy-types.ts');`,
    `const text = "import { no } from './text.ts'";`,
    `export const x = from('./call.ts');`,
  ].join('\n');
  const shown = importsOf(text).map(
    ({ specifier, isType, isDynamic }) => `${specifier}${isType ? ' type' : ''}${isDynamic ? ' dynamic' : ''}`,
  );
  expect(shown).toEqual([
    './side-effect.ts',
    '../package.json',
    'pkg',
    './many.ts',
    './types.ts type',
    './all-types.ts type',
    './again.ts',
    './again-types.ts type',
    './every.ts',
    './lazy.ts dynamic',
    './lazy-types.ts type dynamic',
  ]);
});

test('circles are parts in which each reaches each', () => {
  const graph = (edges: string): Map<string, Set<string>> => {
    const map = new Map<string, Set<string>>();
    for (const [from, to] of edges.split(' ')) map.set(from!, (map.get(from!) ?? new Set()).add(to!));
    return map;
  };
  expect(circles(graph('ab bc cd'))).toEqual([]);
  expect(circles(graph('ab bc ca cd de ed xy'))).toEqual([
    ['d', 'e'],
    ['a', 'b', 'c'],
  ]);
});
