#!/usr/bin/env node
// Plain JavaScript on purpose: it must run on whatever Node there is, to find the one Millrace needs. In the clone `main.ts` stands beside it; the
// package has what was built from it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NEEDED = [22, 18];
const isClone = existsSync(new URL('./main.ts', import.meta.url));
const main = new URL(isClone ? './main.ts' : '../dist/cli/main.js', import.meta.url);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  // Half of a short command's time is compiling what was compiled the last time.
  module.enableCompileCache?.();
  await import(main.href);
} else {
  const pinned = ['../node_modules/node/bin/node', '../../node/bin/node']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (pinned === undefined) {
    const needed = NEEDED.join('.');
    const error = {
      code: 'node-too-old',
      message: `Millrace needs Node ${needed} or newer, and this is ${process.version}`,
      remedy: `Install Node 24 (or ${needed}), or bring it along with "npm i -D node@24".`,
    };
    if (process.argv.includes('--json')) console.log(JSON.stringify({ error }, null, 2));
    console.error(`error ${error.code}: ${error.message}\n  ${error.remedy}`);
    process.exit(1);
  }
  const child = spawn(pinned, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; what is sent to us alone is passed on.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {});
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
}
