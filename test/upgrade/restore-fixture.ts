/** What a restore of the fixture consists of. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackTree } from './packed-tree.ts';
import { note, queryAt, type Release } from './release.ts';

/** Debian's `nobody`; the local stack takes the account of this id first when it is started by root. */
const UNPRIVILEGED = '65534:65534';

/** Unpacks into a folder, which every user must be able to enter, and gives Postgres' files to the user its server will have. */
export async function unpack(archive: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  await unpackTree(archive, folder);
  if (process.getuid?.() !== 0) return;
  const stack = join(folder, 'stack');
  execFileSync('chown', ['-R', '0:0', stack]);
  execFileSync('chown', ['-R', UNPRIVILEGED, join(stack, 'postgres')]);
}

/** The catalog names the history files of a version by absolute paths: makes those of `madeAt` be those of the release's folder. */
export async function pointAtFolder(release: Release, madeAt: string): Promise<void> {
  if (madeAt === release.folder) return;
  await release.withPostgres(async (databaseUrl) => {
    const changed = await queryAt(
      release,
      databaseUrl,
      `UPDATE millrace_catalog.view_version SET history = replace(history::text, $1, $2)::jsonb WHERE history IS NOT NULL RETURNING view`,
      [`${madeAt}/`, `${release.folder}/`],
    );
    note(`history paths of ${changed.length} versions: ${madeAt} is now ${release.folder}`);
  });
}
