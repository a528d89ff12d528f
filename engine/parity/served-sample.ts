import { LOST_COMMIT } from '../postgres/parity-audits.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { keyText } from '../define/key-text.ts';
import { isRetired } from '../define/semantics.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { type ServedRead, ServedReadDecoder } from '../served/served-read.ts';
import type { AuditedRead } from './audited-entity.ts';

/** The logged reads of one entity from one version. */
export interface SampledEntity {
  readonly key: readonly ScalarValue[];
  readonly reads: AuditedRead[];
}

interface HeldEntity extends SampledEntity {
  bytes: number;
  readonly hash: number;
  readonly keyText: string;
  readonly version: number;
}

/** Of versions that earlier semantics of the engine built: there is nothing to replay them with. */
export const SEMANTICS_RETIRED = 'semantics-retired';

/** Of versions whose code was never stored, or that were before those of which the code was asked for. */
export const OTHER_DEFINITION = 'other-definition';

/** Why a logged read is not compared, and how many. */
export type Skipped = Record<string, number>;

/** Counts `reads` more under a reason. */
export function skip(skipped: Skipped, reason: string, reads = 1): void {
  if (reads > 0) skipped[reason] = (skipped[reason] ?? 0) + reads;
}

/** What an object per read or entity takes of the heap, beside its texts. */
const OBJECT_BYTES = 320;

/** What a held read takes of the heap, bytes. A text of the log is of one byte per letter, or two. */
export function readBytes(read: ServedRead): number {
  const { readId, requestId, entityJson, valuesJson, errorsJson, fingerprint, requestJson, typesJson } = read;
  const letters = readId.length + requestId.length + entityJson.length + valuesJson.length + fingerprint.length;
  const own = (requestJson?.length ?? 0) + (typesJson?.length ?? 0);
  return OBJECT_BYTES + 2 * (letters + own + (errorsJson?.length ?? 0));
}

/**
 * Takes logged reads as they come and keeps those of a stable sample of entities (by hash of the key), all reads of each: when there are
 * too many, or they take too much, half of the hashes is let go. Reads of other definitions cannot be replayed by the code at hand: they are counted.
 */
export class ServedSample {
  readonly skipped: Skipped = {};
  readonly #maxReads: number;
  readonly #maxBytes: number;
  readonly #entityBytes: number;
  readonly #versions: ReadonlyMap<number, ViewVersion>;
  readonly #decoders: ReadonlyMap<string, ServedReadDecoder>;
  readonly #entities = new Map<string, HeldEntity>();
  #below = 2 ** 32;
  #reads = 0;
  #bytes = 0;

  constructor(options: {
    /** By fingerprint, of the versions whose code is at hand. */
    readonly layouts: ReadonlyMap<string, ViewLayout>;
    readonly versions: readonly ViewVersion[];
    readonly maxReads: number;
    /** What they may take of the heap. */
    readonly maxBytes: number;
    /** What each entity will take of it beside its reads. */
    readonly entityBytes: number;
  }) {
    this.#maxReads = options.maxReads;
    this.#maxBytes = options.maxBytes;
    this.#entityBytes = options.entityBytes + OBJECT_BYTES;
    this.#versions = new Map(options.versions.map((version) => [version.version, version]));
    this.#decoders = new Map([...options.layouts].map(([code, layout]) => [code, new ServedReadDecoder(layout)]));
  }

  add(read: ServedRead): void {
    const version = this.#versions.get(read.version);
    // No version is ever deleted: one that is not there, or is another's now, was lost with the commits that made it.
    if (version === undefined) return skip(this.skipped, LOST_COMMIT);
    if (isRetired(version.semantics)) return skip(this.skipped, SEMANTICS_RETIRED);
    if (version.fingerprint !== read.fingerprint) return skip(this.skipped, LOST_COMMIT);
    const decoder = this.#decoders.get(version.fingerprint);
    if (decoder === undefined) return skip(this.skipped, OTHER_DEFINITION);
    // One text per entity and version: the log writes keys in layout order.
    const id = `${read.version} ${read.entityJson}`;
    let entity = this.#entities.get(id);
    if (entity === undefined) {
      const hash = hashOf(read.entityJson);
      if (hash >= this.#below) return skip(this.skipped, 'beyond-the-sample');
      const key = keyOf(decoder, read);
      if (key === null) return skip(this.skipped, 'unreadable');
      entity = { hash, key, keyText: keyText(key), version: read.version, reads: [], bytes: this.#entityBytes };
      this.#entities.set(id, entity);
      this.#bytes += entity.bytes;
    }
    entity.reads.push({
      served: read,
      seq: read.found ? read.seq : null,
      differing: -1,
      foundSince: -1,
      isOfPast: false,
    });
    const bytes = readBytes(read);
    entity.bytes += bytes;
    this.#bytes += bytes;
    this.#reads++;
    if (this.#isTooMuch) this.#shrink();
  }

  /** What it holds takes of the heap, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get #isTooMuch(): boolean {
    return this.#reads > this.#maxReads || this.#bytes > this.#maxBytes;
  }

  /** Per version, its entities by key text. */
  byVersion(): Map<number, Map<string, SampledEntity>> {
    const result = new Map<number, Map<string, SampledEntity>>();
    for (const { version, keyText: text, key, reads } of this.#entities.values()) {
      let entities = result.get(version);
      if (entities === undefined) result.set(version, (entities = new Map()));
      entities.set(text, { key, reads });
    }
    return result;
  }

  #shrink(): void {
    while (this.#isTooMuch) {
      if (this.#entities.size === 1) {
        const [only] = this.#entities.values();
        const { reads } = only!;
        // One read stays, however large.
        const excess = reads.splice(0, Math.min(reads.length - 1, Math.ceil(reads.length / 2))).length;
        skip(this.skipped, 'beyond-the-sample', excess);
        this.#reads -= excess;
        only!.bytes = reads.reduce((sum, { served }) => sum + readBytes(served), this.#entityBytes);
        this.#bytes = only!.bytes;
        return;
      }
      // Hashes are even, and so the median of those held halves what is held.
      const hashes = [...this.#entities.values()].map(({ hash }) => hash).sort((a, b) => a - b);
      this.#below = Math.max(hashes[hashes.length >>> 1]!, hashes[0]! + 1);
      for (const [id, { hash, reads, bytes }] of this.#entities) {
        if (hash < this.#below) continue;
        this.#entities.delete(id);
        this.#bytes -= bytes;
        this.#reads -= reads.length;
        skip(this.skipped, 'beyond-the-sample', reads.length);
      }
    }
  }
}

function keyOf(decoder: ServedReadDecoder, read: ServedRead): ScalarValue[] | null {
  try {
    return decoder.entity(read);
  } catch (error) {
    if (isMillraceError(error) && error.code === 'served-read-mismatch') return null;
    throw error;
  }
}

/** FNV-1a with a final mix: 32 even bits. Only to sample by, never stored. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
