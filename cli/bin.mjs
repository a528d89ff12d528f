#!/usr/bin/env node
// Plain JavaScript on purpose: it must run on whatever Node there is, to find the one Millrace needs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NEEDED = 24;
const main = fileURLToPath(new URL('./main.ts', import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  // Half of a short command's time is compiling what was compiled the last time.
  module.enableCompileCache?.();
  await import('./main.ts');
} else {
  const pinned = ['../node_modules/node/bin/node', '../../node/bin/node']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (pinned === undefined) {
    const error = {
      code: 'node-too-old',
      message: `Millrace needs Node ${NEEDED} or newer, and this is ${process.version}`,
      remedy: 'Install Node 24, or run "npm ci" in the folder of Millrace: it brings the pinned one.',
    };
    console.error(`error ${error.code}: ${error.message}\n  ${error.remedy}`);
    process.exit(1);
  }
  const child = spawn(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; what is sent to us alone is passed on.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {});
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
}
