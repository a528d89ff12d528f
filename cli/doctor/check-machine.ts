import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { Environment } from '../../config/environment.ts';
import { failed, fine, type Finding, warned } from './finding.ts';

const MB = 2 ** 20;
const GB = 2 ** 30;
const LEAST_ROOM_GB = 5;
/** `f_type` of file systems that are memory: tmpfs, ramfs. */
const OF_MEMORY: readonly number[] = [0x01021994, 0x858458f6];
/** What a process takes beside its setting, at most. */
const BESIDE_MB = 400;

/** Node, memory and the folders of this machine. */
export function checkMachine(env: Environment): readonly Finding[] {
  return [
    fine('machine', `Node ${process.version}, ${availableParallelism()} processors`),
    memory(env.memoryMb),
    folder('spill folder', env.spillDir, 'MILLRACE_SPILL_DIR', true),
    folder('archive', env.archiveDir, 'MILLRACE_ARCHIVE_DIR', false),
  ];
}

function memory(memoryMb: number): Finding {
  const thereMb = Math.floor(Math.min(totalmem(), cgroupBytes()) / MB);
  const found = `a worker may take ${memoryMb} MB (MILLRACE_MEMORY_MB) and up to ${BESIDE_MB} MB beside it; the machine has ${thereMb} MB`;
  return memoryMb + BESIDE_MB <= thereMb
    ? fine('memory', found)
    : warned('memory', found, 'Lower MILLRACE_MEMORY_MB, or give the machine or container more.');
}

/** What the container may use; Infinity where nothing limits it. */
function cgroupBytes(): number {
  const path = '/sys/fs/cgroup/memory.max';
  const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : 'max';
  return text === 'max' ? Number.POSITIVE_INFINITY : Number(text);
}

function folder(area: string, path: string, variable: string, mustBeDisk: boolean): Finding {
  const there = nearestFolder(path);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
  } catch {
    return failed(area, `${path} cannot be written by this user`, `Set ${variable} to a folder that can.`);
  }
  const { type, bavail, bsize } = statfsSync(there);
  const roomGb = (bavail * bsize) / GB;
  const found = `${path}: ${roomGb.toFixed(1)} GB free`;
  if (mustBeDisk && OF_MEMORY.includes(type))
    return failed(
      area,
      `${path} is memory itself: what spills there is not out of it`,
      `Set ${variable} to a folder on a disk.`,
    );
  if (roomGb < LEAST_ROOM_GB) return warned(area, found, `Free space, or set ${variable} to a larger disk.`);
  return fine(area, found);
}

/** The folder itself, or the nearest above it that is there: it is made when it is needed. */
function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}
