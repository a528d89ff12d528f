import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

const { ZSTD_c_compressionLevel, ZSTD_c_enableLongDistanceMatching, ZSTD_c_windowLog } = constants;
/** The most that every decoder takes without being told. */
const SMALL = { [ZSTD_c_compressionLevel]: 22, [ZSTD_c_windowLog]: 27, [ZSTD_c_enableLongDistanceMatching]: 1 };

/** Packs a folder as `.tar.zst`, under its own name; of the same files the same bytes. `at`: the time all of them are given. */
export async function packTree(folder: string, target: string, at: string): Promise<void> {
  const drafts = mkdtempSync(join(tmpdir(), 'millrace-pack-'));
  try {
    const tar = join(drafts, 'tree.tar');
    const sorted = ['--sort=name', `--mtime=${at}`, '--format=gnu', '--numeric-owner', '--sparse'];
    execFileSync('tar', ['-C', dirname(folder), ...sorted, '-cf', tar, basename(folder)], { stdio: 'inherit' });
    await pipeline(createReadStream(tar), createZstdCompress({ params: SMALL }), createWriteStream(target));
  } finally {
    rmSync(drafts, { recursive: true, force: true });
  }
}

/** Unpacks what `packTree` packed into a folder that is there, without the name it was packed under. */
export async function unpackTree(archive: string, folder: string): Promise<void> {
  const drafts = mkdtempSync(join(tmpdir(), 'millrace-pack-'));
  try {
    // Not through a pipe: tar closes it where the archive ends, which is before its last block does.
    const tar = join(drafts, 'tree.tar');
    await pipeline(createReadStream(archive), createZstdDecompress(), createWriteStream(tar));
    execFileSync('tar', ['-C', folder, '--strip-components=1', '-xf', tar], { stdio: 'inherit' });
  } finally {
    rmSync(drafts, { recursive: true, force: true });
  }
}
