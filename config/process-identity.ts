import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { childEnvironment } from '../engine/installation/child-environment.ts';

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in whatever form this system gives; null where it cannot be told. */
  readonly startedAt: string | null;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return identityOf(process.pid);
}

/** The identity of the process that now has the number `pid`. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startedAt: startTimeOf(pid) };
}

/** True while exactly that process lives: its number is taken, and by a process that started at the same time. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (!pidExists(identity.pid)) return false;
  const startedAt = startTimeOf(identity.pid);
  return startedAt !== 'ended' && (identity.startedAt === null || startedAt === identity.startedAt);
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** 'ended' for a process that is dead but not yet collected by its parent. */
function startTimeOf(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      // The name in parentheses may hold spaces and parentheses itself: the fields are counted after the last one.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? null);
    } catch {
      return 'ended';
    }
  }
  try {
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env: childEnvironment() }).trim() ||
      'ended'
    );
  } catch {
    return 'ended';
  }
}

/** The command line of a living process as one string, or null where it cannot be read. */
export function commandLineOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      env: childEnvironment(),
    }).trim();
  } catch {
    return null;
  }
}
