import { checkedBundle, type SignedBundle } from './bundle-registry.ts';
import { bundleTampered, bundleTooLarge } from './bundle-faults.ts';
import type { BundleKeys } from './bundle-signature.ts';
import { checkedServiceBundle, type SignedServiceBundle } from './service-bundles.ts';
import { bundleHash, MOST_TEXT_BYTES } from './view-bundle.ts';

/** Of the first line of a file. */
interface Header {
  readonly millrace: 'bundle';
  /** Of the code of what a service derives: which. */
  readonly service?: string | undefined;
  readonly fingerprint: string;
  readonly sha256: string;
  readonly keyId: string | null;
  /** Base64. */
  readonly signature: string | null;
}

const MOST_HEADER_BYTES = 2_000;
/** Bytes of a file that holds a bundle. */
export const MOST_FILE_BYTES: number = MOST_TEXT_BYTES + MOST_HEADER_BYTES;

/** A bundle as a file: a line of JSON that says what follows, and the bundle's text, byte for byte. */
export function bundleFile({ bundle, text, signature }: SignedBundle | SignedServiceBundle): string {
  const header: Header = {
    millrace: 'bundle',
    ...('service' in bundle ? { service: bundle.service } : {}),
    fingerprint: bundle.fingerprint,
    sha256: bundleHash(text),
    keyId: signature?.keyId ?? null,
    signature: signature?.bytes.toString('base64') ?? null,
  };
  return `${JSON.stringify(header)}\n${text}`;
}

/**
 * Reads such a file.
 *
 * @throws MillraceError `bundle-tampered` where it is none or not the one that was written, `bundle-unsigned`, `bundle-too-large`, `bundle-unfit`
 */
export function readBundleFile(file: string, keys: BundleKeys): SignedBundle | SignedServiceBundle {
  const bytes = Buffer.byteLength(file);
  if (bytes > MOST_FILE_BYTES) throw bundleTooLarge('the file of a bundle', bytes, MOST_FILE_BYTES);
  const end = file.indexOf('\n');
  const header = end < 0 || end > MOST_HEADER_BYTES ? null : readHeader(file.slice(0, end));
  if (header === null) throw bundleTampered('of the file', 'its first line is not that of a bundle');
  const { fingerprint, sha256, keyId, signature } = header;
  const received = {
    fingerprint,
    sha256,
    text: file.slice(end + 1),
    signature: keyId === null || signature === null ? null : { keyId, bytes: Buffer.from(signature, 'base64') },
  };
  return header.service === undefined ? checkedBundle(received, keys) : checkedServiceBundle(received, keys);
}

function readHeader(line: string): Header | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  if (typeof value !== 'object' || value === null || !('millrace' in value) || value.millrace !== 'bundle') return null;
  return 'fingerprint' in value && 'sha256' in value ? (value as Header) : null;
}
