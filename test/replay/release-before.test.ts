/** Upgrade and downgrade of workflow code by one release: the histories of each under the code of the other. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeTelemetryFilterString, Runtime, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unpackTree } from '../upgrade/packed-tree.ts';
import { bundleOf, historyNames, passedBy, patchesOf, quiet, recordedHistory, replay } from './recorded-histories.ts';

/** Recorded by release 0.1.0. */
const MADE_BEFORE = [
  'archive',
  'archive-last-run',
  'audit-broken',
  'audit-not-served',
  'audit-of-no-lifecycle',
  'continued-as-new',
  'continued-as-new-last-run',
  'continued-as-new-last-run-proven',
  'continued-as-new-proven',
  'export-training-set',
  'failed-retry-rebackfill',
  'lifecycle-told-of-audit',
  'proof-broken-rebackfill',
  'refresh',
  'stream-pause-resume-retire',
  'stream-pause-resume-retire-proven',
  'two-shards-cancelled',
  'two-shards-cancelled-proven',
];
/** Every workflow that release had, in every phase. */
const PASSED_BEFORE = [
  ...['starting', 'archiving', 'pausing', 'paused', 'failed', 'stopping', 'stopped'].map(
    (one) => `archiveSource ${one}`,
  ),
  ...['validating', 'backfilling', 'published', 'refreshing', 'catching-up', 'proving', 'streaming'].map(
    (one) => `featureLifecycle ${one}`,
  ),
  ...['pausing', 'paused', 'failed', 'retiring', 'retired'].map((one) => `featureLifecycle ${one}`),
  'auditParity',
  'exportTrainingSet',
];
const TYPES_BEFORE = [...new Set(PASSED_BEFORE.map((one) => one.split(' ')[0]!))];
/** What its code asks of `patched()`. */
const KNOWN_BEFORE = ['promotion-proof'];

const ROOT = new URL('../../', import.meta.url);
let folder: string;
let before: WorkflowBundleWithSourceMap;
let now: WorkflowBundleWithSourceMap;

beforeAll(async () => {
  // What stands still is told by the runtime, too, and is expected.
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({ logger: { ...quiet, error() {} }, telemetryOptions: { logging: { forward: {}, filter } } });
  folder = mkdtempSync(join(tmpdir(), 'millrace-release-before-'));
  await unpackTree(fileURLToPath(new URL('test/upgrade/previous-source.tar.zst', ROOT)), folder);
  symlinkSync(fileURLToPath(new URL('node_modules', ROOT)), join(folder, 'node_modules'));
  before = await bundleOf(folder);
  now = await bundleOf(ROOT);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an upgrade', () => {
  it('finds histories of every workflow of the release before, in every phase', () => {
    const passed = new Set(MADE_BEFORE.flatMap((name) => passedBy(recordedHistory(name))));
    expect([...passed].toSorted()).toEqual(PASSED_BEFORE.toSorted());
  });

  it.each(MADE_BEFORE)('goes on with %s, as the release before does', async (name) => {
    const recorded = recordedHistory(name);
    expect(KNOWN_BEFORE).toEqual(expect.arrayContaining(patchesOf(recorded)));
    await replay(before, recorded);
    await replay(now, recorded);
  });
});

describe('a downgrade', () => {
  const madeSince = historyNames.filter((name) => !MADE_BEFORE.includes(name));
  const unknownIn = (name: string): string[] =>
    patchesOf(recordedHistory(name)).filter((patch) => !KNOWN_BEFORE.includes(patch));

  it('has histories that decided something new, and such as did not', () => {
    const unknown = madeSince.map((name) => unknownIn(name).length);
    expect(unknown.filter((count) => count === 0).length).toBeGreaterThan(0);
    expect(unknown.filter((count) => count > 0).length).toBeGreaterThan(5);
  });

  const typeOf = (name: string): string => passedBy(recordedHistory(name))[0]!.split(' ')[0]!;
  const isUnknown = (name: string): boolean => !TYPES_BEFORE.includes(typeOf(name));

  it.each(madeSince.filter(isUnknown))('stands still at %s, whose workflow it does not know', async (name) => {
    await expect(replay(before, recordedHistory(name))).rejects.toThrow(
      new RegExp(`no such function is exported.*${typeOf(name)}|${typeOf(name)}.*no such function`),
    );
  });

  it.each(madeSince.filter((name) => !isUnknown(name)))(
    'goes on with %s, or stands still by the name of what it does not know',
    async (name) => {
      const recorded = recordedHistory(name);
      const unknown = unknownIn(name);
      const replayed = replay(before, recorded);
      if (unknown.length === 0) return await replayed;
      await expect(replayed).rejects.toMatchObject({
        name: 'DeterminismViolationError',
        message: expect.stringMatching(
          new RegExp(`\\[TMPRL1100\\].*Non-deprecated patch marker encountered for change (${unknown.join('|')}),`),
        ) as string,
      });
    },
  );
});
