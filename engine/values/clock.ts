/** Where the engine gets time from; injected so that tests and replays decide it. */
export interface Clock {
  /** Wall clock, UTC epoch µs. */
  nowUs(): number;
  /** Monotonic milliseconds from an arbitrary origin, for durations and deadlines. */
  monotonicMs(): number;
}

/** The machine's clock. */
export const systemClock: Clock = {
  nowUs: () => Date.now() * 1000,
  monotonicMs: () => performance.now(),
};
