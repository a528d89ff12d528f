import { expect, test } from 'vitest';
import { literalFaults } from '../../scripts/installation-literals.ts';

const faultsOf = (text: string): number => literalFaults(new Map([['a.ts', text]])).length;

test.each([
  'const table = `SELECT 1 FROM millrace_catalog.view_version`;',
  "const schema: string = 'millrace_state';",
  'const name = (view: string): string => `millrace_sql.${view}`;',
  'const role = `GRANT "millrace_reader" TO x`;',
  'const id = (view: string): string => `feature:${view}`;',
  "const id = 'archive:' + source;",
  "const id = 'audit:clicks';",
  'const id = (labelSet: string): string => `pairs:${labelSet}`;',
  "const id = 'rollout:' + model;",
  "const id = 'train:late';",
  'const told = `workflow id feature:VIEW`;',
  "const topic = 'millrace.served';",
  'const group = `millrace.${view}.v1`;',
  'const pool = createPool(url);',
  "const pool = createPool(url, { max: 1, applicationName: 'x' });",
])('a name that is spelled out, or left to chance, is found: %s', (text) => {
  expect(faultsOf(text)).toBe(1);
});

test.each([
  '// In millrace_catalog.view_version, of feature:clicks.\nconst a = 1;',
  'const table = `SELECT 1 FROM ${CATALOG.text}.view_version`;',
  "const metric = 'millrace_view_lag_records';",
  "const source = 'millrace_served';",
  "const file = 'millrace.conf';",
  'const told = `archive: started for ${source}`;',
  "import { z } from 'millrace';",
  'const pool = createPool(url, { max: 1, installation: names });',
  'const pool = createPool(url, { max: 1, installation });',
])('what is none is let be: %s', (text) => {
  expect(faultsOf(text)).toBe(0);
});

test('a fault says where', () => {
  expect(literalFaults(new Map([['engine/a.ts', "const a = 1;\nconst b = 'millrace_catalog';\n"]]))).toEqual([
    'engine/a.ts:2 spells out a name of an installation: "millrace_catalog"',
  ]);
});
