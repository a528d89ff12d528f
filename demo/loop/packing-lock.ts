import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from '../../stack/pid-lock.ts';

/** Waits until nobody else packs this clone: each build begins with taking away what the one before made. */
export async function lockPacking(clone: string, signal?: AbortSignal): Promise<{ release(): void }> {
  const path = join(tmpdir(), `millrace-pack-${createHash('sha256').update(clone).digest('hex').slice(0, 16)}.lock`);
  for (;;) {
    signal?.throwIfAborted();
    const lock = tryLock(path);
    if (lock.acquired) return lock;
    await delay(100);
  }
}
