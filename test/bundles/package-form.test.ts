import { join } from 'node:path';
import * as esbuild from 'esbuild';
import * as esbuildBefore from 'esbuild-before';
import { afterAll, describe, expect, it } from 'vitest';
import { readPackageCode } from '../../engine/code/package-code.ts';
import { packageForm } from '../../engine/code/package-form.ts';
import type { OutsideName } from '../../engine/code/view-code.ts';

const folder = join(import.meta.dirname, '..', '..', 'features');
afterAll(() => esbuildBefore.stop());

const wanted = (specifier: string, ...names: readonly string[]): OutsideName[] =>
  names.map((name) => ({ specifier, from: folder, name }));

/** Packages of this repository: modules and CommonJS, of one file and of many, with classes, and with names that clash. */
const uses: Readonly<Record<string, readonly OutsideName[]>> = {
  'one module': wanted('acorn', 'parse'),
  'all of a module': wanted('acorn', '*'),
  CommonJS: wanted('cli-table3', '', 'default'),
  'CommonJS of many files': wanted('prom-client', 'Gauge', 'Registry'),
  'modules with classes': wanted('hono', 'Hono'),
  'two that have names in common': [
    ...wanted('commander', 'Command'),
    ...wanted('pino', 'default'),
    ...wanted('jose', 'jwtVerify'),
  ],
};

describe('the form of packages', () => {
  it.each(Object.entries(uses))(
    'is the same by the bundler and by that of a minor version before: %s',
    async (_, outside) => {
      const now = await readPackageCode(outside, folder);
      const before = await readPackageCode(outside, folder, esbuildBefore);
      expect(esbuild.version).not.toBe(esbuildBefore.version);
      expect(before.packages).toEqual(now.packages);
      expect(packageForm(before.text)).toBe(packageForm(now.text));
      expect(packageForm(now.text).length).toBeGreaterThan(1000);
    },
  );

  it('is another for other code, and the same whatever names stand at the top', () => {
    const text = 'var a=1;function used(b){return b+a}export{used as used0};';
    expect(packageForm(text)).toBe(packageForm(text.replaceAll(/\ba\b/g, 'import_a').replaceAll(/\bused\b/g, 'used2')));
    expect(packageForm(text)).toBe(packageForm(`var __defProp=Object.defineProperty;${text}`));
    for (const other of [
      text.replace('b+a', 'b-a'),
      text.replace('a=1', 'a=2'),
      text.replace('used0', 'used1'),
      text.replace('b+a', 'b+b'),
      text.replace('var a', 'let a'),
    ])
      expect(packageForm(other)).not.toBe(packageForm(text));
    // Two of one statement are two of two; which of them a name means counts.
    expect(packageForm('var a=1,b=2;export{a as x,b as y};')).toBe(
      packageForm('var a=1;var b=2;export{a as x,b as y};'),
    );
    expect(packageForm('var a=1,b=2;export{b as x,a as y};')).not.toBe(
      packageForm('var a=1,b=2;export{a as x,b as y};'),
    );
    // What is inside a function is told apart from what is outside, whatever both are called.
    expect(packageForm('var a=1;export let f=(a)=>a;')).not.toBe(packageForm('var a=1;export let f=(b)=>a;'));
    expect(packageForm('var a=1;export let f=(b)=>b;')).toBe(packageForm('var a=1;export let f=(a)=>a;'));
    // What others see, and what is nobody's here, keeps its name.
    for (const [one, other] of [
      ['var a=1;export{a};', 'var b=1;export{b};'],
      ['import{a}from"zod";export{a as x};', 'import{b}from"zod";export{b as x};'],
      ['export let f=()=>Math.max;', 'export let f=()=>Math.min;'],
      ['export let f=()=>Math;', 'export let f=()=>JSON;'],
      ['export let f=(a)=>a.b;', 'export let f=(a)=>a.c;'],
      ['export let f=(a)=>({a});', 'export let f=(b)=>({b});'],
    ] as const)
      expect(packageForm(one)).not.toBe(packageForm(other));
    expect(packageForm('')).toBe('');
  });
});
