import { Runtime, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleOf, historyNames, quiet, recordedHistory, replay } from './recorded-histories.ts';

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  Runtime.install({ logger: quiet });
  bundle = await bundleOf(new URL('../../', import.meta.url));
});

describe('workflow code', () => {
  it('bundles, and not with the engine in it', () => {
    expect(bundle.code).toContain('featureLifecycle');
    for (const name of ['exportTrainingSet', 'archiveSource', 'auditParity']) expect(bundle.code).toContain(name);
    expect(bundle.code).not.toContain('millrace_catalog');
  });

  it('has histories to replay', () => {
    expect(historyNames.length).toBeGreaterThanOrEqual(16);
  });

  it.each(historyNames)('replays %s', async (name) => {
    await replay(bundle, recordedHistory(name));
  });
});
