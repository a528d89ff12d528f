import { Readable } from 'node:stream';
import { createGunzip, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';
import { MillraceError } from '../errors/millrace-error.ts';
import { decompressedSize, snappyBlocks } from './decompressed-size.ts';

/** The compression of a record batch, as its attributes carry it. */
export type CodecId = 0 | 1 | 2 | 3 | 4;

export const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** Room beyond the end: an inflation that just fits would ask for as much again to learn that it is over. */
const SPARE_BYTES = 64;

/**
 * Inflates the records section of a batch into at most `mostBytes` (see `sizeOf`), in one piece. Null: there is more than that, which of
 * what `sizeOf` tells only gzip's can be. Throws `unsupported-codec` for a codec id Kafka has not defined, and `log-corrupt` for bytes
 * the codec does not understand.
 *
 * @example
 * const records = decompress(4, section, sizeOf(4, section));
 */
export function decompress(codec: number, bytes: Buffer, mostBytes: number): Buffer | null {
  const room = { chunkSize: Math.max(mostBytes + SPARE_BYTES, 64), maxOutputLength: Math.max(mostBytes, 1) };
  try {
    switch (codec) {
      case 0:
        return bytes;
      case 1:
        return fitted(gunzipSync(bytes, room), mostBytes);
      case 2:
        return uncompressSnappy(bytes, mostBytes);
      case 3:
        return fitted(decompressFrameSync(bytes), mostBytes);
      case 4:
        return fitted(zstdDecompressSync(bytes, room), mostBytes);
    }
  } catch (cause) {
    if (isTooLarge(cause)) return null;
    throw doesNotInflate(codec, cause);
  }
  throw new MillraceError('unsupported-codec', `a record batch is compressed with codec ${codec}; known: 0 to 4`, {
    remedy: 'Produce with gzip, snappy, lz4, zstd or no compression.',
  });
}

/**
 * Counts what a gzip section inflates to, without holding it: for one of several members, of which only the last one's size is written at its end.
 * Stops counting beyond `mostBytes`. Throws `log-corrupt`.
 */
export async function gzipBytes(section: Buffer, mostBytes: number): Promise<number> {
  const inflated = Readable.from([section]).pipe(createGunzip());
  let bytes = 0;
  try {
    for await (const chunk of inflated) {
      bytes += (chunk as Buffer).length;
      if (bytes > mostBytes) break;
    }
  } catch (cause) {
    throw doesNotInflate(1, cause);
  }
  return bytes;
}

/** What a compressed section takes inflated (`decompressedSize`). Throws `log-corrupt`. */
export function sizeOf(codec: number, section: Buffer): number {
  try {
    return decompressedSize(codec, section);
  } catch (cause) {
    throw doesNotInflate(codec, cause);
  }
}

/** What is far smaller than the room made for it is moved into one that fits. */
function fitted(plain: Buffer, mostBytes: number): Buffer {
  return plain.length * 2 < mostBytes ? Buffer.from(plain) : plain;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}

function doesNotInflate(codec: number, cause: unknown): MillraceError {
  return new MillraceError(
    'log-corrupt',
    `a record batch does not inflate as ${codecNames[codec as CodecId]}: ${String(cause)}`,
    {
      remedy: 'Check the producer of this topic and the broker disks; the batch cannot be read by any consumer.',
      cause,
    },
  );
}

function uncompressSnappy(bytes: Buffer, size: number): Buffer {
  const blocks = [...snappyBlocks(bytes)];
  if (blocks.length === 1) return uncompressBlock(blocks[0]!);
  const plain = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const block of blocks) at += uncompressBlock(block).copy(plain, at);
  return plain.subarray(0, at);
}

function uncompressBlock(bytes: Buffer): Buffer {
  const plain = uncompressSync(bytes, { asBuffer: true });
  return typeof plain === 'string' ? Buffer.from(plain) : plain;
}

/** A codec as kafkajs's producer wants it; kafkajs hands an encoder whose bytes are in `buffer`. */
interface ProducerCodec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(bytes: Buffer): Promise<Buffer>;
}

function producerCodec(codec: CodecId, compress: (bytes: Buffer) => Buffer): () => ProducerCodec {
  return () => ({
    compress: async (encoder) => compress(encoder.buffer),
    decompress: async (bytes) => whole(codec, bytes),
  });
}

async function whole(codec: CodecId, bytes: Buffer): Promise<Buffer> {
  const plain = decompress(codec, bytes, sizeOf(codec, bytes));
  return plain ?? decompress(codec, bytes, await gzipBytes(bytes, Number.POSITIVE_INFINITY)) ?? bytes;
}

let registered = false;

/**
 * Gives kafkajs's own producers and consumers the codecs it lacks (snappy, lz4, zstd). Idempotent, process-wide. The log reader does not
 * need it: it decodes batches itself.
 */
export function registerCodecs(): void {
  if (registered) return;
  registered = true;
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.GZIP] = producerCodec(1, (bytes) => gzipSync(bytes));
  CompressionCodecs[CompressionTypes.Snappy] = producerCodec(2, (bytes) => compressSync(bytes));
  CompressionCodecs[CompressionTypes.LZ4] = producerCodec(3, (bytes) => compressFrameSync(bytes));
  CompressionCodecs[CompressionTypes.ZSTD] = producerCodec(4, (bytes) => zstdCompressSync(bytes));
}
