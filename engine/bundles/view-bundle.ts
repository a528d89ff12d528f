import { createHash } from 'node:crypto';
import type { OutsideName } from '../code/view-code.ts';
import type { DeclaredIdentity } from '../define/declared-identity.ts';
import type { DeclaredService } from '../define/declared-service.ts';
import type { ViewTags } from '../define/view-tags.ts';
import { bundleTampered, bundleTooLarge, bundleUnfit } from './bundle-faults.ts';

/** Bytes of the user's own files as they are written. */
export const MOST_OWN_BYTES = 2 ** 20;
/** Bytes of own files and packages' code. */
export const MOST_BYTES = 2 * 2 ** 20;
/** Bytes of the text of a bundle: escaping may double what is in it. */
export const MOST_TEXT_BYTES = 2 * MOST_BYTES + 2 ** 20;

const FORM = 1;

/** A file of the user's own, as it is written. */
export interface BundledModule {
  /** Below the root that all have in common, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Code of packages. */
export interface BundledPackages {
  /** `name@version`, sorted. */
  readonly names: readonly string[];
  /** What the view uses, as its fingerprint has it; null where it is the same text as `runnable`. */
  readonly counted: string | null;
  /** What the modules import: the import at index 3 is exported as `used3`. */
  readonly runnable: string;
  /** `from` is a folder below the modules' root; `''` the root itself. */
  readonly imports: readonly OutsideName[];
}

/** The code of a definition that stands for itself. Millrace, zod and Node's own modules are those of whoever opens it. */
export interface BundledCode {
  readonly entry: { readonly path: string; readonly exportName: string };
  /** Paths of the modules to import, in order. */
  readonly roots: readonly string[];
  /** Sorted by path. */
  readonly modules: readonly BundledModule[];
  /** As the reading of the code has it (`engine/code`). */
  readonly globalsChanged: boolean;
  readonly packages: BundledPackages;
  /** The versions of Node's tables where the code asks them. */
  readonly tables: readonly (string | null)[] | null;
}

/** A view that stands for itself: the user's own modules as they are written, the code of packages they use, and what was read of its schemas. */
export interface ViewBundle extends BundledCode {
  readonly form: typeof FORM;
  readonly view: string;
  readonly fingerprint: string;
  readonly semantics: number;
  readonly declared: DeclaredIdentity;
  readonly tags: ViewTags | null;
}

/** What a service derives, by its own code: `ViewBundle` of a service. */
export interface ServiceBundle extends BundledCode {
  readonly form: typeof FORM;
  readonly service: string;
  /** Stands for what is derived (`derivedTag`). */
  readonly fingerprint: string;
  readonly declared: DeclaredService;
}

/** What a bundle is of, as messages say it. */
export function bundleSubject(bundle: ViewBundle | ServiceBundle): string {
  return 'view' in bundle ? `view "${bundle.view}"` : `service "${bundle.service}"`;
}

/** The one text of a bundle. */
export function bundleText(bundle: ViewBundle | ServiceBundle): string {
  return JSON.stringify(bundle);
}

/** Hex sha-256 of a bundle's text. */
export function bundleHash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Reads a bundle whose text is known to be the one that was written.
 *
 * @throws MillraceError `bundle-too-large`, `bundle-tampered` where it is no bundle, `bundle-unfit` where its form is another release's
 */
export function parseBundle(text: string): ViewBundle {
  return checked<ViewBundle>(text, ['view', 'semantics']);
}

/** Reads the bundle of a service. Throws as `parseBundle` does. */
export function parseServiceBundle(text: string): ServiceBundle {
  return checked<ServiceBundle>(text, ['service']);
}

function checked<Bundle extends ViewBundle | ServiceBundle>(text: string, own: readonly string[]): Bundle {
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_TEXT_BYTES) throw bundleTooLarge('a bundle', bytes, MOST_TEXT_BYTES);
  const bundle = parsed(text, own) as Bundle;
  checkSize(bundle);
  return bundle;
}

/** @param own the parts that only bundles of its kind have */
function parsed(text: string, own: readonly string[]): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  if (typeof value !== 'object' || value === null || !('form' in value) || !('fingerprint' in value))
    throw bundleTampered('', 'it is no bundle');
  if (value.form === FORM && hasParts(value, own)) return value;
  const fingerprint = String(value.fingerprint);
  if (value.form === FORM) throw bundleTampered(fingerprint, 'parts of it are missing');
  const name = 'service' in value ? value.service : 'view' in value ? value.view : '';
  throw bundleUnfit(
    `${'service' in value ? 'service' : 'view'} "${String(name)}"`,
    fingerprint,
    `it is of form ${JSON.stringify(value.form)}, and this release knows form ${FORM}`,
  );
}

function hasParts(value: object, own: readonly string[]): boolean {
  const isModule = (each: unknown): boolean =>
    typeof each === 'object' && each !== null && 'path' in each && 'text' in each && typeof each.text === 'string';
  if (!('modules' in value) || !Array.isArray(value.modules) || !value.modules.every(isModule)) return false;
  if (!('packages' in value) || typeof value.packages !== 'object' || value.packages === null) return false;
  const { packages } = value;
  return (
    [...own, 'entry', 'roots', 'declared'].every((part) => part in value) &&
    'counted' in packages &&
    (packages.counted === null || typeof packages.counted === 'string') &&
    'runnable' in packages &&
    typeof packages.runnable === 'string'
  );
}

/** Throws MillraceError `bundle-too-large`. */
export function checkSize(bundle: ViewBundle | ServiceBundle): void {
  const { modules, packages } = bundle;
  const own = modules.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  if (own > MOST_OWN_BYTES) throw bundleTooLarge(`the files of ${bundleSubject(bundle)}`, own, MOST_OWN_BYTES);
  const all = own + Buffer.byteLength(packages.runnable) + Buffer.byteLength(packages.counted ?? '');
  if (all > MOST_BYTES) throw bundleTooLarge(`the code of ${bundleSubject(bundle)} with its packages`, all, MOST_BYTES);
}
