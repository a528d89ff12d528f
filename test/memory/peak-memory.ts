import { readFileSync } from 'node:fs';

const SAMPLE_EVERY_MS = 50;

/** What a process took at most, MB of 2^20. */
export interface PeakMemory {
  /** VmHWM: all that was resident, mapped files included. */
  readonly rssMb: number;
  /** The most of RssAnon seen: what cannot be dropped. */
  readonly anonMb: number;
}

/** A figure of this process's /proc/self/status, MB. */
export function statusMb(name: 'VmHWM' | 'VmRSS' | 'RssAnon'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Math.round(Number(line?.[1]) / 1024);
}

/** Watches this process while it works. */
export function watchMemory(): { peak(): PeakMemory } {
  let anonMb = statusMb('RssAnon');
  const timer = setInterval(() => {
    anonMb = Math.max(anonMb, statusMb('RssAnon'));
  }, SAMPLE_EVERY_MS);
  timer.unref();
  return {
    peak: () => {
      clearInterval(timer);
      return { rssMb: statusMb('VmHWM'), anonMb };
    },
  };
}
