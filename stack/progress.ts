/** Receives one line of progress at a time, without a line end. */
export type OnProgress = (line: string) => void;

/**
 * Repeats `line(secondsSoFar)` every five seconds while `work` runs, so that a long step never looks hung.
 *
 * @example
 * await withHeartbeat(onProgress, (s) => `kafka: downloading, ${s} s so far`, download());
 */
export async function withHeartbeat<T>(
  onProgress: OnProgress,
  line: (seconds: number) => string,
  work: Promise<T>,
): Promise<T> {
  const begun = performance.now();
  const timer = setInterval(() => onProgress(line(Math.round((performance.now() - begun) / 1000))), 5000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
