import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathWithin } from '../../activities/path-roots.ts';

let folder: string;
let out: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-roots-')));
  out = join(folder, 'out');
  mkdirSync(join(out, 'deep'), { recursive: true });
  mkdirSync(join(folder, 'out-of-it'));
  writeFileSync(join(folder, 'secret.csv'), '');
  symlinkSync(join(folder, 'secret.csv'), join(out, 'spine.csv'));
  symlinkSync(folder, join(out, 'up'));
  symlinkSync(join(out, 'deep'), join(folder, 'short'));
  symlinkSync(join(folder, 'not-yet'), join(out, 'dangling'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a path in the input of a workflow', () => {
  it('is taken as it is where there are no roots', () => {
    expect(pathWithin(folder, '../x', null)).toBe(join(folder, '..', 'x'));
  });

  it.each([
    'out',
    'out/june.parquet',
    'out/deep/../june.parquet',
    'out/new/folder/x',
    'short/x.parquet',
    '/OUT/x',
    'out/..x',
  ])('may be %s', (path) => {
    expect(pathWithin(folder, path.replace('/OUT', out), [join(folder, 'data'), out])).toBeTypeOf('string');
  });

  it.each([
    'secret.csv',
    'out/../secret.csv',
    'out-of-it/x',
    'out/spine.csv',
    'out/up/secret.csv',
    'out/up/new',
    '/etc/passwd',
    '..',
  ])('may not be %s', (path) => {
    expect(() => pathWithin(folder, path, [out])).toThrow(
      expect.objectContaining({ code: 'path-outside-roots', httpStatus: 403 }),
    );
  });

  it('may not be a link to what is not there yet, outside', () => {
    expect(() => pathWithin(folder, 'out/dangling', [out])).toThrow(
      expect.objectContaining({ code: 'path-outside-roots' }),
    );
  });

  it('may lie in a root that is a link itself', () => {
    expect(pathWithin(folder, 'out/deep/x', [join(folder, 'short')])).toBe(join(out, 'deep', 'x'));
  });
});
