/** Prints the bundles of the views of folders, and by what they were made: a program of its own, for other versions of either. */
import { makeBundle } from '../../engine/bundles/make-bundle.ts';
import { bundleText } from '../../engine/bundles/view-bundle.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';

const { version } = await import('esbuild');
const bundles: Record<string, string> = {};
for (const folder of process.argv.slice(2)) {
  const definitions = await loadDefinitions(folder);
  for (const view of definitions.views.values()) bundles[view.name] = bundleText(await makeBundle(view));
}
console.log(JSON.stringify({ node: process.versions.node, esbuild: version, bundles }));
