import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { childEnvironment } from '../installation/child-environment.ts';
import { MARK_VARIABLE } from './guard-order.ts';

/** Sends a signal to every process of a group; nothing where none is left. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    // EPERM: on some systems what a group of zombies answers.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** Ends every process that bears a command's mark, whatever group it is in. Linux alone tells of others' environments: elsewhere it does nothing. */
export function killMarked(mark: string): void {
  for (const pid of markedProcesses(mark)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** The processes that bear a command's mark, as far as this user may know. */
export function markedProcesses(mark: string): number[] {
  if (process.platform !== 'linux') return [];
  const wanted = `${MARK_VARIABLE}=${mark}`;
  return processes().filter(
    (pid) =>
      pid !== process.pid &&
      read(`/proc/${pid}/environ`).split('\0').includes(wanted) &&
      !/^\d+ \(.*\) [ZX]/s.test(read(`/proc/${pid}/stat`)),
  );
}

/** What all processes of a group hold in memory, in bytes. */
export function groupMemoryBytes(group: number): number {
  if (process.platform !== 'linux') return groupMemoryByPs(group);
  return processes().reduce((sum, pid) => {
    // The name in parentheses may hold anything: fields are counted after the last one.
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(fields[2]) !== group) return sum;
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
    return sum + Number(kilobytes ?? 0) * 1024;
  }, 0);
}

function groupMemoryByPs(group: number): number {
  const lines = execFileSync('ps', ['-A', '-o', 'pgid=,rss='], { encoding: 'utf8', env: childEnvironment() })
    .trim()
    .split('\n');
  return lines.reduce((sum, line) => {
    const [theirs, kilobytes] = line.trim().split(/\s+/).map(Number);
    return theirs === group ? sum + (kilobytes ?? 0) * 1024 : sum;
  }, 0);
}

function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Empty where the process is gone, or another user's. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
