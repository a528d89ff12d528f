import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(ROOT, 'docs', 'cases.md'), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, number, , , grade, shownBy]) => ({ number: Number(number), grade, shownBy: shownBy ?? '' }));

test('docs/cases.md has each of the 26 situations once, none below B', () => {
  const numbers = rows.map(({ number }) => number).toSorted((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: 26 }, (_, n) => 2 * n + 2));
  for (const { number, grade } of rows) expect([number, grade]).toEqual([number, expect.stringMatching(/^[AB]$/)]);
});

test.each(rows)('case $number names tests that there are', ({ shownBy }) => {
  const named = [...shownBy.matchAll(/`(test\/[^`]+\.test\.ts)` "([^"]+)"/g)];
  expect(named).not.toEqual([]);
  for (const [, file, title] of named) {
    const path = join(ROOT, file!);
    expect([file, existsSync(path)]).toEqual([file, true]);
    // Of a title that is put together only its fixed text could be found: none is cited.
    const titles = [...readFileSync(path, 'utf8').matchAll(/\b(?:describe|it|test)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g)];
    expect(titles.map(([, , text]) => text!.replaceAll('\\', ''))).toContain(title);
  }
});
