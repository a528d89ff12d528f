import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LAYERS } from '../../scripts/layers.ts';

const page = readFileSync('docs/architecture.md', 'utf8');

test('the page draws the order that is checked', () => {
  // Within a level the order is no matter; single files of `cli` and what only checks stand for themselves.
  const left = (name: string): string => name.replace(/^engine\//, '');
  const checked = LAYERS.levels
    .map((level) => level.map(left).filter((name) => !/^(cli\/|migrations$|scripts$|vitest)/.test(name)))
    .filter((level) => level.length > 0)
    .map((level) => level.join(', '))
    .join(' → ');
  const drawn = [...page.matchAll(/^`((?:→ )?\w[^`]* → [^`]*)`$/gm)].map(([, line]) => line);
  expect(drawn.join(' ')).toBe(checked);
});

test('the page names files that are there, and every room of the engine, which has a README', () => {
  const named = [...page.matchAll(/`([\w./-]+\/[\w-]+\.(?:ts|md))`/g)].map(([, path]) => path as string);
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((path) => !existsSync(path) && !existsSync(`engine/${path}`))).toEqual([]);
  const rooms = globSync('engine/*/');
  expect(rooms.length).toBeGreaterThan(15);
  expect(rooms.filter((room) => !page.includes(`\`${room.replace(/\/$/, '')}\``))).toEqual([]);
  expect(rooms.filter((room) => !existsSync(`${room}/README.md`))).toEqual([]);
});
