import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { MillraceError } from '../errors/millrace-error.ts';
import { CHUNK_BYTES } from './model-record.ts';

/** What a file of a model may have: applications hold it whole in memory while they load it. */
export const MOST_MODEL_BYTES = 256 * 2 ** 20;

/** The bytes of a file in pieces of `CHUNK_BYTES`, the last one with the rest. Each is good until the next is asked for. */
export async function* filePages(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const page = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0; ; ) {
      let filled = 0;
      while (filled < page.length) {
        const { bytesRead } = await file.read(page, filled, page.length - filled, at + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled > 0) yield page.subarray(0, filled);
      if (filled < page.length) return;
      at += filled;
    }
  } finally {
    await file.close();
  }
}

/**
 * Hash and size of a model's file. Throws MillraceError `unfit-model-file` for one that cannot be read, is empty, or is larger than `MOST_MODEL_BYTES`.
 */
export async function hashedFile(path: string): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  await refuseLarge(path);
  for await (const page of filePages(path)) {
    hash.update(page);
    sizeBytes += page.length;
    if (sizeBytes > MOST_MODEL_BYTES) throw tooLarge(path, sizeBytes);
  }
  if (sizeBytes > 0) return { sha256: hash.digest('hex'), sizeBytes };
  throw new MillraceError('unfit-model-file', `${path} is empty`, { remedy: 'Give the file that the training wrote.' });
}

async function refuseLarge(path: string): Promise<void> {
  try {
    const file = await open(path, 'r');
    try {
      const about = await file.stat();
      if (!about.isFile()) throw new Error('it is no file');
      if (about.size > MOST_MODEL_BYTES) throw tooLarge(path, about.size);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError(
      'unfit-model-file',
      `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { remedy: 'Give the file that the training wrote.', cause },
    );
  }
}

function tooLarge(path: string, sizeBytes: number): MillraceError {
  return new MillraceError(
    'unfit-model-file',
    `${path} has ${sizeBytes} bytes; at most ${MOST_MODEL_BYTES} are taken`,
    {
      remedy: 'Publish what names it (a path in your object store with its hash), and let decode fetch it.',
      httpStatus: 413,
      details: { sizeBytes, most: MOST_MODEL_BYTES },
    },
  );
}
