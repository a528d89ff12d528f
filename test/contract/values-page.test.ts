import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { valuesPage } from '../../scripts/values-page.ts';

test('docs/values.md is what the readings say: write it again with node scripts/write-values-page.ts', () => {
  expect(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'values.md'), 'utf8')).toBe(valuesPage());
});
