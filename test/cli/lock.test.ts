import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { missingLockText } from '../../cli/lock-text.ts';
import { type FeatureLock, LOCK_FILE } from '../../engine/define/feature-lock.ts';
import { CliRun } from './run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const features = join(root, 'features');
const file = join(root, LOCK_FILE);

function define(window: string, more = ''): void {
  mkdirSync(features, { recursive: true });
  writeFileSync(
    join(features, 'days.ts'),
    `import { entity, featureService, featureView, source } from 'millrace';
     import { z } from 'zod';
     const thing = entity('thing', { id: z.string() });
     const days = source('days', { schema: z.object({ at: z.iso.datetime(), id: z.string() }), eventTime: 'at', topic: 'days' });
     export const daily = featureView('daily', { entity: thing, source: days, features: (f) => ({ n: f.count().over('${window}')${more} }) });
     export const spare = featureView('spare', { entity: thing, source: days, features: (f) => ({ last: f.last('id') }) });
     export const model = featureService('model', [daily]);`,
  );
}

async function lock(...args: string[]) {
  const { exitCode, stdout, stderr } = await new CliRun(['lock', ...args], {}, root).ended;
  return { exitCode, said: `${stdout}${stderr}` };
}

const stored = (): FeatureLock => JSON.parse(readFileSync(file, 'utf8')) as FeatureLock;

test('millrace lock writes what the features mean, says what changed, and checks it', async () => {
  expect(missingLockText(features)).toBeNull();
  define('1d');
  expect(missingLockText(features)).toContain('"millrace lock" writes one');
  expect(await lock('--check')).toMatchObject({
    exitCode: 1,
    said: expect.stringMatching(/lock-outdated.*there is no millrace\.lock\.json/s),
  });
  expect(await lock()).toMatchObject({
    exitCode: 0,
    said: expect.stringContaining('wrote millrace.lock.json: 2 features\n'),
  });
  expect(missingLockText(features)).toBeNull();
  const tag = expect.stringMatching(/^[0-9a-f]{16}$/) as string;
  expect(stored()).toEqual({ services: { model: { daily: { n: tag } } }, views: { spare: { last: tag } } });
  const first = stored();
  expect(await lock('--check')).toMatchObject({
    exitCode: 0,
    said: expect.stringContaining('is that of the definitions: 2 features'),
  });

  define('2d', `, last: f.last('id')`);
  expect(await lock('--check')).toMatchObject({
    exitCode: 1,
    said: expect.stringContaining('what differs: daily.last, daily.n'),
  });
  expect(stored()).toEqual(first);
  const { said } = await lock('--json');
  expect(JSON.parse(said)).toMatchObject({ state: 'differs', features: ['daily.last', 'daily.n'], written: true });
  expect(stored().services['model']?.['daily']?.['n']).not.toBe(first.services['model']?.['daily']?.['n']);
  expect(stored().views).toEqual(first.views);

  writeFileSync(file, '{ "services": <<<<<<< ours');
  expect(await lock('--check')).toMatchObject({ exitCode: 1, said: expect.stringContaining('invalid-lock') });
  expect(await lock()).toMatchObject({ exitCode: 0 });
  expect(await lock('--check')).toMatchObject({ exitCode: 0 });
}, 120_000);
