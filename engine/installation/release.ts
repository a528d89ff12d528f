import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname } from 'node:path';
import { internalBug } from '../errors/millrace-error.ts';

const manifest = findPackageJSON('.', import.meta.url) ?? missing();
const { version, description, engines, peerDependencies, devDependencies } = JSON.parse(
  readFileSync(manifest, 'utf8'),
) as {
  readonly version: string;
  readonly description: string;
  readonly engines: { readonly node: string };
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

function missing(): never {
  throw internalBug(`no package.json above ${import.meta.url}`);
}

/** This release of Millrace, as its package.json has it. `folder` is that of the package, absolute. */
export const RELEASE = {
  folder: dirname(manifest),
  version,
  description,
  engines,
  peerDependencies,
  devDependencies,
} as const;
