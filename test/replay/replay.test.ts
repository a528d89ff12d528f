import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { historyOfText } from './history-text.ts';

const folder = new URL('./histories/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error };

let bundle: Awaited<ReturnType<typeof bundleWorkflowCode>>;
beforeAll(async () => {
  Runtime.install({ logger: quiet });
  // Fails on modules that cannot run in the sandbox: tsc cannot see that.
  bundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    logger: quiet,
  });
});

describe('workflow code', () => {
  it('bundles, and not with the engine in it', () => {
    expect(bundle.code).toContain('featureLifecycle');
    for (const name of ['exportTrainingSet', 'archiveSource', 'auditParity']) expect(bundle.code).toContain(name);
    expect(bundle.code).not.toContain('millrace_catalog');
  });

  it('has histories to replay', () => {
    expect(names.length).toBeGreaterThanOrEqual(16);
  });

  it.each(names)('replays %s', async (name) => {
    const recorded = historyOfText(readFileSync(new URL(name, folder), 'utf8')) as {
      workflowId: string;
      history: unknown;
    };
    await Worker.runReplayHistory({ workflowBundle: bundle }, recorded.history, recorded.workflowId);
  });
});
