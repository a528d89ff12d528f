import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { CliRun } from './run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-schema-'));
beforeAll(() => {
  mkdirSync(join(root, 'features'));
  writeFileSync(
    join(root, 'features', 'offers.ts'),
    `import { decisions, outcomes } from 'millrace';
     import { z } from 'zod';
     export const offers = decisions('offers', { context: z.object({ shop: z.string(), total: z.int64() }) });
     export const clicks = outcomes('clicks', { value: z.boolean() });`,
  );
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const schema = (name: string) => new CliRun(['schema', name], {}, root).ended;

test('millrace schema tells producers in other languages what a decision is', async () => {
  const { exitCode, stdout, stderr } = await schema('offers');
  expect([exitCode, stderr]).toEqual([0, '']);
  const told = JSON.parse(stdout) as { title: string; description: string; required: string[] };
  expect(told.title).toBe('offers');
  expect(told.description).toContain('propensities are above 0');
  expect(told.required).toEqual([
    'decision_id',
    'decided_at',
    'request_ids',
    'reads',
    'acted',
    'action',
    'alternatives',
    'more_alternatives',
    'context',
  ]);
  const validator = z.fromJSONSchema(told);
  const offer = {
    decision_id: 'd-1',
    decided_at: '2001-06-01T00:00:00Z',
    request_ids: [],
    reads: [],
    acted: true,
    action: 'none',
    alternatives: [{ action: 'gift', propensity: null }],
    more_alternatives: 0,
    context: { shop: 'north', total: '5' },
  };
  expect(validator.safeParse(offer).success).toBe(true);
  expect(validator.safeParse({ ...offer, decision_id: 'a b' }).success).toBe(false);
  expect(validator.safeParse({ ...offer, context: { shop: 'north' } }).success).toBe(false);
});

test('unknown-source: names that there are', async () => {
  const { exitCode, stderr } = await schema('offer');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('error unknown-source');
  expect(stderr).toContain('Name one of: clicks, offers.');
});
