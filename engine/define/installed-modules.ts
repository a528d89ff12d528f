import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ownModule } from '../installation/own-module.ts';

const installation = import.meta.url;
/** What definitions need of `millrace`, and all of it, which takes ten times as long to load. */
export const QUICK_ENTRY: string = ownModule('./definition-entry', installation).href;
export const WHOLE_ENTRY: string = ownModule('../../index', installation).href;
const PARTS: ReadonlyMap<string, string> = new Map(
  ['client', 'testing'].map((part) => [`millrace/${part}`, ownModule(`../../${part}`, installation).href]),
);

/** Of the URLs of what a bundle holds: who opens one says what its names come to. */
export const BUNDLE_SCHEME = 'millrace-bundle:';

/** What Node is to resolve instead of a name, and from where. */
export interface Installed {
  readonly specifier: string;
  readonly parentURL: string;
}

/** What the names that stand for the running installation, `millrace` and `zod`, come to; null for all others. */
export function installedModule(specifier: string, entry: string): Installed | null {
  const ours = specifier === 'millrace' ? entry : PARTS.get(specifier);
  if (ours !== undefined) return { specifier: ours, parentURL: installation };
  if (specifier !== 'zod' && !specifier.startsWith('zod/')) return null;
  return { specifier, parentURL: installation };
}

/** Imports a module by Node itself, even under a test runner that imports in its own way. Throws what the import throws. */
export function importByNode(url: string): Promise<Readonly<Record<string, unknown>>> {
  const { importNatively } = createRequire(installation)(
    fileURLToPath(ownModule('./import-natively', installation)),
  ) as typeof import('./import-natively.ts');
  return importNatively(url);
}
