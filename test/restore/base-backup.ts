import { execFile } from 'node:child_process';
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);

/**
 * A base backup as `pg_basebackup` takes one, which the local Postgres does not bring: its files while it works, and the WAL that makes them of one instant.
 *
 * @param during what goes on meanwhile
 */
export async function baseBackup(url: string, target: string, during: () => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ folder: string }>(
      "SELECT current_setting('data_directory') AS folder, pg_backup_start('drill', fast => true)",
    );
    const { folder } = rows[0]!;
    const busy = during();
    await copy(folder, target);
    await busy;
    const { rows: stopped } = await client.query<{ labelfile: string }>(
      'SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)',
    );
    // What was written meanwhile is in here.
    await rm(join(target, 'pg_wal'), { recursive: true });
    await copy(join(folder, 'pg_wal'), join(target, 'pg_wal'));
    const label = join(target, 'backup_label');
    await writeFile(label, stopped[0]!.labelfile);
    const { uid, gid } = await stat(target);
    await chown(label, uid, gid);
    await rm(join(target, 'postmaster.pid'), { force: true });
  } finally {
    await client.end();
  }
}

/** Puts the files of a backup where the cluster was. */
export async function restoreFiles(backup: string, cluster: string): Promise<void> {
  await rm(cluster, { recursive: true, force: true });
  await copy(backup, cluster);
}

/** With owners and rights. A file that goes meanwhile is none of the backup's: the WAL says what became of it. */
async function copy(from: string, to: string): Promise<void> {
  await run('cp', ['-a', from, to]).catch((error: unknown) => {
    const said = (error as { stderr?: string }).stderr ?? '';
    const lines = said.split('\n').filter((line) => line !== '');
    if (lines.length === 0 || !lines.every((line) => line.endsWith('No such file or directory'))) throw error;
  });
}
