import type { FlightDecision } from './decision-service.ts';
import { touchedShare } from './loop-figures.ts';

/** Which units each version decided on, as whoever asked knows. A unit is a flight. */
export class TouchedUnits {
  readonly #all = new Set<string>();
  readonly #byVersion = new Map<number, Set<string>>();

  add(decided: readonly FlightDecision[]): void {
    for (const { flight_id: unit, version } of decided) {
      this.#all.add(unit);
      const own = this.#byVersion.get(version) ?? new Set();
      this.#byVersion.set(version, own.add(unit));
    }
  }

  /** How many units a version decided on. */
  of(version: number): number {
    return this.#byVersion.get(version)?.size ?? 0;
  }

  /** The share of all units that a version decided on. */
  shareOf(version: number): number {
    return touchedShare(this.#byVersion.get(version) ?? new Set(), this.#all);
  }
}
