import { catalog, run } from '../postgres/catalog.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../define/view-layout.ts';
import { sameVersion } from './bundle-code.ts';
import { bundleTampered, bundleTooLarge } from './bundle-faults.ts';
import { type BundleKeys, type BundleSignature, checkSignature } from './bundle-signature.ts';
import {
  bundleHash,
  bundleSubject,
  bundleText,
  checkSize,
  MOST_TEXT_BYTES,
  parseBundle,
  type ViewBundle,
} from './view-bundle.ts';

const BUNDLES = 'view_bundle';

/** A bundle with what stands beside it. */
export interface SignedBundle {
  readonly bundle: ViewBundle;
  /** Exactly as it was stored: what hash and signature are of. */
  readonly text: string;
  readonly signature: BundleSignature | null;
}

/** A bundle as lists show it. Times are UTC epoch µs. */
export interface BundleRow {
  readonly fingerprint: string;
  readonly view: string;
  readonly semantics: number;
  readonly layout: ViewLayout;
  readonly bytes: number;
  readonly sha256: string;
  readonly storedBy: string;
  readonly storedAtUs: number;
  readonly keyId: string | null;
}

/**
 * Stores a bundle; one of its fingerprint that is there already stays as it is. Nothing that runs is changed by it. Only the owner's role may.
 *
 * @param text as it was written elsewhere, where it comes from there
 * @throws MillraceError `bundle-too-large`
 * @example
 * const isNew = await storeBundle(client, { bundle, text: bundleText(bundle), signature: null }, 'ana@laptop');
 */
export async function storeBundle(on: Queryable, signed: SignedBundle, actor: string): Promise<boolean> {
  const { bundle, text, signature } = signed;
  checkSize(bundle);
  const bytes = Buffer.from(text);
  if (bytes.length > MOST_TEXT_BYTES)
    throw bundleTooLarge(`the bundle of ${bundleSubject(bundle)}`, bytes.length, MOST_TEXT_BYTES);
  const inserted = await run(
    on,
    catalog
      .insertInto(BUNDLES)
      .values({
        fingerprint: bundle.fingerprint,
        view: bundle.view,
        semantics: bundle.semantics,
        bundle: bytes,
        sha256: Buffer.from(bundleHash(text), 'hex'),
        layout: JSON.stringify(bundle.declared.layout),
        stored_by: actor,
        key_id: signature?.keyId ?? null,
        signature: signature?.bytes ?? null,
      })
      .onConflict((conflict) => conflict.column('fingerprint').doNothing())
      .returning('fingerprint'),
  );
  return inserted.length > 0;
}

/** A bundle that was just made. */
export function unsigned(bundle: ViewBundle): SignedBundle {
  return { bundle, text: bundleText(bundle), signature: null };
}

/**
 * The stored bundle of a fingerprint, or null.
 *
 * @throws MillraceError `bundle-tampered`, `bundle-unsigned`, `bundle-too-large`, `bundle-unfit`
 */
export async function viewBundle(
  on: Queryable,
  fingerprint: string,
  keys: BundleKeys = null,
): Promise<SignedBundle | null> {
  const [row] = await run(
    on,
    catalog
      .selectFrom(BUNDLES)
      .select(['bundle', 'sha256', 'view', 'key_id', 'signature'])
      .where('fingerprint', '=', fingerprint),
  );
  if (row === undefined) return null;
  const signature = row.key_id === null || row.signature === null ? null : { keyId: row.key_id, bytes: row.signature };
  return checkedBundle(
    { fingerprint, sha256: row.sha256.toString('hex'), text: row.bundle.toString('utf8'), signature },
    keys,
  );
}

/** A bundle as it came from somewhere, with what it is said to be. */
export interface ReceivedBundle {
  readonly fingerprint: string;
  readonly sha256: string;
  readonly text: string;
  readonly signature: BundleSignature | null;
}

/** Reads a bundle that may have been tampered with. Throws as `viewBundle` does. */
export function checkedBundle(received: ReceivedBundle, keys: BundleKeys): SignedBundle {
  const { fingerprint, text, signature } = received;
  checkTrust(received, keys);
  const bundle = parseBundle(text);
  if (bundle.fingerprint !== fingerprint) {
    throw bundleTampered(fingerprint, `it is of ${JSON.stringify(bundle.fingerprint).slice(0, 14)}`);
  }
  return { bundle, text, signature };
}

/** Holds a bundle to its hash and, where there are keys, to a signature. Throws MillraceError `bundle-tampered`, `bundle-unsigned`. */
export function checkTrust({ fingerprint, sha256, text, signature }: ReceivedBundle, keys: BundleKeys): void {
  if (bundleHash(text) !== sha256) throw bundleTampered(fingerprint, 'its hash does not fit');
  checkSignature({ fingerprint, sha256 }, signature, keys);
}

/** The stored bundles, newest first; of one view where it is named. */
export async function listBundles(on: Queryable, view?: string): Promise<BundleRow[]> {
  let query = catalog
    .selectFrom(BUNDLES)
    .select(['fingerprint', 'view', 'semantics', 'layout', 'sha256', 'stored_by', 'stored_at', 'key_id'])
    .select((eb) => eb.fn<number>('octet_length', ['bundle']).as('bytes'))
    .orderBy('stored_at', 'desc')
    .orderBy('fingerprint');
  if (view !== undefined) query = query.where('view', '=', view);
  const rows = await run(on, query);
  return rows.map((row) => ({
    fingerprint: row.fingerprint,
    view: row.view,
    semantics: row.semantics,
    layout: row.layout,
    bytes: row.bytes,
    sha256: row.sha256.toString('hex'),
    storedBy: row.stored_by,
    storedAtUs: row.stored_at,
    keyId: row.key_id,
  }));
}

/**
 * The fingerprint that a definition is known by: that of a stored bundle which is the same version, whatever release or bundler wrote it; else its
 * own.
 *
 * @throws MillraceError as `viewBundle` does
 * @example
 * const fingerprint = await storedFingerprintOf(pool, definitions.views.get('route_delays')!);
 */
export async function storedFingerprintOf(on: Queryable, view: CompiledView, keys: BundleKeys = null): Promise<string> {
  const rows = (await listBundles(on, view.name)).filter(({ semantics }) => semantics === ENGINE_SEMANTICS);
  if (rows.some(({ fingerprint }) => fingerprint === view.fingerprint)) return view.fingerprint;
  for (const { fingerprint, layout } of rows) {
    // jsonb keeps no order of names to compare by; what this tells apart needs no reading.
    if (layout.features.length !== view.layout.features.length) continue;
    const stored = await viewBundle(on, fingerprint, keys);
    if (stored !== null && (await sameVersion(view, stored.bundle))) return fingerprint;
  }
  return view.fingerprint;
}
