/** Everything that can be known without running the product: types, lint, layers, format, unused code, the workflow bundle. */
import { spawnSync } from 'node:child_process';

const checks: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['types and type tests', 'tsc', ['-p', '.']],
  ['lint', 'oxlint', ['--type-aware', '--quiet']],
  ['layers', 'node', ['scripts/check-layers.ts']],
  ['names of installations', 'node', ['scripts/check-installation-names.ts']],
  ['format', 'biome', ['format', '.']],
  ['unused code', 'knip', ['--no-progress']],
  ['workflow bundle', 'node', ['scripts/check-workflow-bundle.ts']],
];

let failed = 0;
for (const [name, command, args] of checks) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  const ok = status === 0;
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name}\n`);
  if (!ok) {
    failed += 1;
    process.stdout.write(`${stdout}${stderr}\n`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
