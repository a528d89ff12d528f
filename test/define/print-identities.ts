/** Prints the fingerprints of the views of folders, and by what they were made: a program of its own, for other versions of either. */
import { loadDefinitions } from '../../engine/define/load-definitions.ts';

const { version } = await import('esbuild');
const views: Record<string, string> = {};
for (const folder of process.argv.slice(2)) {
  const definitions = await loadDefinitions(folder);
  for (const { name, fingerprint } of definitions.views.values()) views[name] = fingerprint;
}
console.log(JSON.stringify({ node: process.versions.node, esbuild: version, views }));
