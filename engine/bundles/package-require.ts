/** What CommonJS of a bundled package may still ask for while it runs: Node's own modules, and what stands for the installation. */
import { createRequire, isBuiltin } from 'node:module';
import { installedModule, WHOLE_ENTRY } from '../define/installed-modules.ts';

const installed = createRequire(import.meta.url);

/**
 * `require` of a bundle's packages. Throws where the bundle does not hold what is asked for.
 *
 * @public
 */
export function bundledRequire(name: string): unknown {
  if (isBuiltin(name)) return installed(name);
  const ours = installedModule(name, WHOLE_ENTRY);
  if (ours !== null && name.startsWith('zod')) return installed(name);
  throw new Error(`the bundle holds no "${name}"`);
}
