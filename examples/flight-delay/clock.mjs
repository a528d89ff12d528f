/** The time of requests: the machine's, or in a replay that of what is replayed. */

/** A clock that stands still until it is told another time; durations are real all the same. */
export class ReplayedClock {
  #nowUs = 0;

  nowUs() {
    return this.#nowUs;
  }

  monotonicMs() {
    return performance.now();
  }

  /** @param {string} time ISO, with offset. It never goes back. */
  moveTo(time) {
    const nowUs = Date.parse(time) * 1000;
    if (!Number.isFinite(nowUs)) throw new Error(`no time: "${time}"`);
    this.#nowUs = Math.max(this.#nowUs, nowUs);
  }
}
