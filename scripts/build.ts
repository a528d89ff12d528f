/** `npm run build`: what is published, below `dist/`: JavaScript, source maps and declarations by TypeScript alone, and the workflows as one file. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');

rmSync(DIST, { recursive: true, force: true });
execFileSync(process.execPath, [TSC, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' });
// A worker that runs from the package neither bundles nor needs the bundler's time as it starts.
const { code } = await bundleWorkflowCode({
  workflowsPath: join(DIST, 'workflows', 'index.js'),
  logger: { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
});
writeFileSync(join(DIST, 'workflow-bundle.js'), code);
process.stdout.write(`dist: built; workflow bundle ${Math.round(code.length / 1024)} KiB\n`);
