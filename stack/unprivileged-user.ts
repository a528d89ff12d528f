import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';

const PLACES = ['/var/lib/millrace', '/var/tmp/millrace', join(tmpdir(), 'millrace')];

export interface UnixUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Who Postgres runs as: null (ourselves), or an unprivileged account when we are root, which Postgres refuses.
 *
 * @param passwd the file of accounts
 * @throws MillraceError `no-unprivileged-user`
 */
export function postgresUser(uid = process.getuid?.(), passwd = '/etc/passwd'): UnixUser | null {
  if (uid !== 0) return null;
  // initdb looks its user up by name: the number alone is not enough.
  const accounts = readFileSync(passwd, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map((fields) => ({ name: fields[0] ?? '', uid: Number(fields[2]), gid: Number(fields[3]) }));
  const found =
    accounts.find((account) => account.uid === 65534) ??
    accounts.find((account) => account.name === 'nobody' && account.uid > 0) ??
    accounts.find((account) => account.name === 'postgres' && account.uid > 0);
  if (found) return { uid: found.uid, gid: found.gid };
  throw new MillraceError(
    'no-unprivileged-user',
    `Postgres cannot run as root, and ${passwd} has neither uid 65534, nobody nor postgres`,
    {
      remedy:
        'Run Millrace as an ordinary user, add a user named nobody, or set DATABASE_URL to a Postgres that runs already.',
      httpStatus: 500,
    },
  );
}

/** True if `user` can enter the directory, through all its parents. */
export function canEnter(user: UnixUser, directory: string): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], {
      ...user,
      env: childEnvironment(),
      cwd: '/',
      stdio: 'ignore',
    }).status === 0
  );
}

/**
 * A directory of root's that `user` can enter: where Postgres' files go when the usual place lies behind a folder like /root.
 * Survives a reboot where the system has such a place.
 *
 * @throws MillraceError `no-readable-place`
 */
export function enterableDirectory(user: UnixUser, candidates: readonly string[] = PLACES): string {
  for (const candidate of candidates) {
    try {
      mkdirSync(candidate, { recursive: true, mode: 0o755 });
      // In a shared folder such as /tmp somebody else may have made it first, to feed us their binaries.
      if (statSync(candidate).uid !== 0) continue;
      chmodSync(candidate, 0o755);
      if (canEnter(user, candidate)) return candidate;
    } catch {
      // Read-only or forbidden here: the next candidate.
    }
  }
  throw new MillraceError(
    'no-readable-place',
    `Postgres runs as uid ${user.uid}, and none of ${candidates.join(', ')} can hold its files`,
    {
      remedy:
        'Set MILLRACE_DATA_DIR and MILLRACE_CACHE_DIR to folders that every user can enter, or run Millrace as an ordinary user.',
      httpStatus: 500,
    },
  );
}
