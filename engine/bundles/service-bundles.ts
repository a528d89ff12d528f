import type { KeyObject } from 'node:crypto';
import type { CompiledService } from '../define/compiled-view.ts';
import {
  isDerivedBy,
  keepServiceCode,
  type KeptCode,
  serviceCode,
  serviceVersions,
} from '../postgres/service-versions.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { bundleTampered } from './bundle-faults.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { sameDerivedCode } from './bundle-code.ts';
import { checkTrust, type ReceivedBundle } from './bundle-registry.ts';
import { type BundleKeys, type BundleSignature, signBundle } from './bundle-signature.ts';
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

/** The code of what a service derives, with what stands beside it. */
export interface SignedServiceBundle {
  readonly bundle: ServiceBundle;
  /** Exactly as it was kept: what hash and signature are of. */
  readonly text: string;
  readonly signature: BundleSignature | null;
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
  return (await signedServiceBundle(on, service, version, keys))?.bundle ?? null;
}

/** The same as it was kept. */
export async function signedServiceBundle(
  on: Queryable,
  service: string,
  version: number,
  keys: BundleKeys = null,
): Promise<SignedServiceBundle | null> {
  const kept = await serviceCode(on, service, version);
  if (kept === null) return null;
  checkTrust({ fingerprint: `of service "${service}", version ${version}`, ...kept }, keys);
  return { bundle: parseServiceBundle(kept.text), text: kept.text, signature: kept.signature };
}

/** Reads the code of a service that may have been tampered with. Throws as `keptServiceBundle` does. */
export function checkedServiceBundle(received: ReceivedBundle, keys: BundleKeys): SignedServiceBundle {
  const { fingerprint, text, signature } = received;
  checkTrust(received, keys);
  const bundle = parseServiceBundle(text);
  if (bundle.fingerprint !== fingerprint)
    throw bundleTampered(fingerprint, `it is of ${JSON.stringify(bundle.fingerprint).slice(0, 14)}`);
  return { bundle, text, signature };
}

/**
 * The versions of a service that are told by the code of a bundle, and have none: it can be kept with those.
 *
 * @throws MillraceError `unknown-version` where no version here is told by it
 */
export async function versionsLacking(on: Queryable, { service, fingerprint }: ServiceBundle): Promise<number[]> {
  const known = await serviceVersions(on, service);
  const own = known.filter((version) => isDerivedBy(version, fingerprint));
  if (own.length > 0) return own.filter(({ hasCode }) => !hasCode).map(({ version }) => version);
  throw new MillraceError(
    'unknown-version',
    `no version of service "${service}" that was applied here derives by ${fingerprint.slice(0, 12)}`,
    {
      remedy: 'Apply the definitions it is of ("millrace apply"): that keeps their code, too.',
      httpStatus: 404,
      details: { service, fingerprint },
    },
  );
}

/** Keeps a service's code with those versions of it that are told by it, and have none. Throws as `versionsLacking` does. */
export async function keepServiceBundle(on: Queryable, signed: SignedServiceBundle): Promise<number[]> {
  const { bundle, text, signature } = signed;
  const lacking = await versionsLacking(on, bundle);
  await keepServiceCode(on, bundle.service, lacking, { text, sha256: bundleHash(text), signature });
  return lacking;
}
