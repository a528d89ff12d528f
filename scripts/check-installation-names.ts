/** Holds the names of installations to one place (engine/installation): prints every one that is spelled out elsewhere and fails where there is one. */
import { globSync, readFileSync } from 'node:fs';
import { literalFaults } from './installation-literals.ts';

/** What is shipped. Tests, benches and the soak know the default installation by its names. */
const ROOMS = ['activities', 'cli', 'config', 'demo', 'engine', 'migrations', 'operate', 'serving', 'workflows'];

/** Names what lies in an installation's own catalog, and is told from no other. */
const KEPT_INSIDE: readonly string[] = ['engine/pairs/pairs-options.ts'];

const paths = [...globSync(`{${ROOMS.join(',')}}/**/*.ts`), 'worker.ts', 'client.ts', 'index.ts', 'testing.ts'];
const sources = new Map(
  paths
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.startsWith('engine/installation/') && !KEPT_INSIDE.includes(path))
    .map((path) => [path, readFileSync(path, 'utf8')]),
);
const faults = literalFaults(sources);
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.stdout.write(`${sources.size} files, ${faults.length} faults\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
