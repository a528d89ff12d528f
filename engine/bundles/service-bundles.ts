import type { KeyObject } from 'node:crypto';
import type { CompiledService } from '../define/compiled-view.ts';
import { type KeptCode, serviceCode, serviceVersions } from '../postgres/service-versions.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { sameDerivedCode } from './bundle-code.ts';
import { checkTrust } from './bundle-registry.ts';
import { type BundleKeys, signBundle } from './bundle-signature.ts';
import { makeServiceBundle } from './make-bundle.ts';
import { bundleHash, bundleText, parseServiceBundle, type ServiceBundle } from './view-bundle.ts';

/** What a service derives, as it is applied: what it is told by, and its code. */
export interface DerivedToKeep {
  readonly derived: string;
  readonly code: KeptCode;
}

/**
 * Makes the code of what a service derives. It is told by what the newest version is told by where that is of the same code, whatever release or bundler
 * wrote it: an upgrade makes no version.
 *
 * @throws MillraceError as `makeServiceBundle` and `keptServiceBundle` do
 * @example
 * const { derived, code } = await derivedToKeep(pool, definitions.services.get('delay_model')!, signKey);
 */
export async function derivedToKeep(
  on: Queryable,
  service: CompiledService,
  signKey?: KeyObject,
): Promise<DerivedToKeep> {
  const made = await makeServiceBundle(service);
  // Only compared, and not run: whoever signed it.
  const [newest] = await serviceVersions(on, service.name);
  const kept = newest?.hasCode === true ? await keptServiceBundle(on, service.name, newest.version) : null;
  const isSame = kept !== null && (await sameDerivedCode(service, kept));
  const bundle: ServiceBundle = isSame ? { ...made, fingerprint: kept.fingerprint } : made;
  const text = bundleText(bundle);
  const sha256 = bundleHash(text);
  const signature = signKey === undefined ? null : signBundle(sha256, signKey);
  return { derived: bundle.fingerprint, code: { text, sha256, signature } };
}

/**
 * The code that is kept with a version of a service; null where none is.
 *
 * @throws MillraceError `bundle-tampered`, `bundle-unsigned`, `bundle-too-large`, `bundle-unfit`
 */
export async function keptServiceBundle(
  on: Queryable,
  service: string,
  version: number,
  keys: BundleKeys = null,
): Promise<ServiceBundle | null> {
  const kept = await serviceCode(on, service, version);
  if (kept === null) return null;
  checkTrust({ fingerprint: `of service "${service}", version ${version}`, ...kept }, keys);
  return parseServiceBundle(kept.text);
}
