import { createReadStream } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

const READ_BYTES = 1 << 20;

/** The bytes of a text file, many at a time; gzip by its ending. */
export function openBytes(path: string, signal: AbortSignal | undefined): Readable {
  const file = createReadStream(path, { highWaterMark: READ_BYTES, ...(signal === undefined ? {} : { signal }) });
  if (!/\.gz$/i.test(path)) return file;
  const plain = new PassThrough({ readableHighWaterMark: READ_BYTES });
  // Its failure reaches the reader through the stream, which it destroys.
  pipeline(file, createGunzip({ chunkSize: READ_BYTES }), plain).catch((error: Error) => plain.destroy(error));
  return plain;
}
