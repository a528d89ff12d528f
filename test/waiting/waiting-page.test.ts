import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { waitingPage } from '../../scripts/waiting-page.ts';

test('docs/waiting.md is what the table says: write it again with node scripts/write-waiting-page.ts', () => {
  expect(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'waiting.md'), 'utf8')).toBe(waitingPage());
});
