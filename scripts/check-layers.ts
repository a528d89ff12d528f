/** Holds the table of layers (scripts/layers.ts): prints every fault and fails where there is one. */
import { globSync, readFileSync } from 'node:fs';
import { layerFaults } from './layer-faults.ts';
import { LAYERS } from './layers.ts';

const NOT_OURS = new Set(['node_modules', 'coverage', 'data', 'dist']);
const paths = globSync('**/*.{ts,mjs}', { exclude: (path) => path.startsWith('.') || NOT_OURS.has(path) });
const sources = new Map(paths.map((path) => [path.replaceAll('\\', '/'), readFileSync(path, 'utf8')]));
const faults = layerFaults(sources, LAYERS);
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.stdout.write(`${sources.size} files, ${faults.length} faults\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
