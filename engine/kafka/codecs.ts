import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';
import { MillraceError } from '../errors/millrace-error.ts';

/** The compression of a record batch, as its attributes carry it. */
export type CodecId = 0 | 1 | 2 | 3 | 4;

export const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** The stream header of snappy-java, which Java producers write around raw snappy blocks. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/**
 * Inflates the records section of a batch. Throws `unsupported-codec` for a codec id Kafka has not defined, and `log-corrupt` for bytes
 * the codec does not understand.
 */
export function decompress(codec: number, bytes: Buffer): Buffer {
  try {
    switch (codec) {
      case 0:
        return bytes;
      case 1:
        return gunzipSync(bytes);
      case 2:
        return uncompressSnappy(bytes);
      case 3:
        return decompressFrameSync(bytes);
      case 4:
        return zstdDecompressSync(bytes);
    }
  } catch (cause) {
    throw new MillraceError(
      'log-corrupt',
      `a record batch does not inflate as ${codecNames[codec as CodecId]}: ${String(cause)}`,
      {
        remedy: 'Check the producer of this topic and the broker disks; the batch cannot be read by any consumer.',
        cause,
      },
    );
  }
  throw new MillraceError('unsupported-codec', `a record batch is compressed with codec ${codec}; known: 0 to 4`, {
    remedy: 'Produce with gzip, snappy, lz4, zstd or no compression.',
  });
}

function uncompressSnappy(bytes: Buffer): Buffer {
  if (bytes.length < XERIAL_HEADER_BYTES || !bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC))
    return uncompressBlock(bytes);
  const blocks: Buffer[] = [];
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0 || at + length > bytes.length)
      throw new RangeError(`snappy block of ${length} bytes at ${at} of ${bytes.length}`);
    blocks.push(uncompressBlock(bytes.subarray(at, at + length)));
    at += length;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks);
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
    decompress: async (bytes) => decompress(codec, bytes),
  });
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
