import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../engine/errors/error-codes.ts';
import { alertRules } from './alert-rules.ts';

/** A cause that audits tell, and a name that Postgres shows of a connection. */
const NO_CODES = ['store-corruption', 'millrace-api'];
const page = readFileSync('docs/operate.md', 'utf8');

describe('the runbook', () => {
  it('has a place for each alert, in the order of the file, which the alert names; and for no other', () => {
    const rules = alertRules();
    const headings = [...page.matchAll(/^### (Millrace\w+)$/gm)].map(([, name]) => name);
    expect(headings).toEqual(rules.map(({ name }) => name));
    for (const { name, runbook } of rules) expect(runbook).toBe(`docs/operate.md#${name.toLowerCase()}`);
  });

  it('says of each what it means and what to do', () => {
    const places = page
      .split(/^### /m)
      .slice(1)
      .map((text) => text.split(/^## /m)[0]!);
    for (const place of places) expect(place).toMatch(/^Millrace\w+\n\*\*Means\*\* [^]+\n\*\*Do\*\* [^]+\.\s*$/);
  });

  it('refers to alerts and codes that there are', () => {
    const rules = new Set(alertRules().map(({ name }) => name));
    const named = [...page.matchAll(/\b(Millrace[A-Z]\w+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !rules.has(name))).toEqual([]);
    const codes = new Set(Object.values(ERROR_CODES).flatMap((ofOnePlace) => Object.keys(ofOnePlace)));
    const told = [...page.matchAll(/`((?:[a-z]+-)+[a-z]+)`/g)].map(([, code]) => code!);
    expect(told.length).toBeGreaterThan(8);
    expect(told.filter((code) => !codes.has(code) && !NO_CODES.includes(code))).toEqual([]);
  });

  it('explains every message that workers and API servers log', () => {
    const sources = ['worker.ts', ...globSync('{activities,operate,serving}/**/*.ts')];
    const messages = sources.flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/\blog\.(?:info|warn|error)\(\s*(?:\{[^]*?\},\s*)?'([^']+)'/g)].map(
        ([, message]) => message!,
      ),
    );
    expect(messages.length).toBeGreaterThan(9);
    expect(messages.filter((message) => !page.includes(`\`${message}\``))).toEqual([]);
  });
});
