/** Fails when workflow code pulls in a module that cannot run in Temporal's sandbox: tsc cannot see that. */
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)),
  logger: { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
});
process.stdout.write(`workflow bundle: ${Math.round(code.length / 1024)} KiB\n`);
