import { Runtime, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleOf, historyNames, passedBy, quiet, recordedHistory, replay } from './recorded-histories.ts';

const ofRollout = (phase: string): string => `modelRollout ${phase}`;
const ofTraining = (phase: string): string => `trainModel ${phase}`;

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  Runtime.install({ logger: quiet });
  bundle = await bundleOf(new URL('../../', import.meta.url));
});

describe('workflow code', () => {
  it('bundles, and not with the engine in it', () => {
    expect(bundle.code).toContain('featureLifecycle');
    for (const name of [
      'exportTrainingSet',
      'archiveSource',
      'auditParity',
      'joinPairs',
      'modelRollout',
      'trainModel',
      'watchMonitors',
    ])
      expect(bundle.code).toContain(name);
    expect(bundle.code).not.toContain('millrace_catalog');
  });

  it('has histories to replay', () => {
    expect(historyNames.length).toBeGreaterThanOrEqual(16);
  });

  it('has those of every workflow of the loop, in every phase but what one reaches by time alone', () => {
    const passed = new Set(historyNames.flatMap((name) => passedBy(recordedHistory(name))));
    expect([...passed].filter((one) => /^(joinPairs|modelRollout|trainModel)/.test(one)).toSorted()).toEqual(
      [
        'joinPairs',
        ...['starting', 'collecting', 'waiting', 'blocked', 'approval', 'paused', 'failed', 'ending'].map(ofRollout),
        ...['promoted', 'returned'].map(ofRollout),
        ...['checking', 'exporting', 'training', 'judging', 'awaiting-publish', 'publishing', 'evaluating'].map(
          ofTraining,
        ),
        ...['awaiting-rollout', 'opening-rollout', 'published', 'rolled-out', 'below-minimum'].map(ofTraining),
        ...['rejected', 'failed', 'cancelled'].map(ofTraining),
        'trainModel',
      ].toSorted(),
    );
  });

  it.each(historyNames)('replays %s', async (name) => {
    await replay(bundle, recordedHistory(name));
  });
});
