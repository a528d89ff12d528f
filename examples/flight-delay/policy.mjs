/** What is done about a flight that may be late. */
import { createHash } from 'node:crypto';

/** What it costs: a warning its own price, and a late flight nobody was warned of four times that. */
export const COSTS = { warn: { 0: 1, 1: 1 }, none: { 0: 0, 1: 4 } };

/** Of so many decisions the better action is not simply taken: either is, as often. Without it nothing could be told of what was not done. */
export const EXPLORED = 0.1;

/**
 * The chance that each action is taken of a flight that is late with `probability`.
 *
 * @param {number} probability
 * @returns {{ warn: number, none: number }}
 */
export function propensities(probability) {
  const cost = (action) => probability * COSTS[action][1] + (1 - probability) * COSTS[action][0];
  const better = cost('warn') < cost('none') ? 'warn' : 'none';
  const rest = EXPLORED / 2;
  return better === 'warn' ? { warn: 1 - rest, none: rest } : { warn: rest, none: 1 - rest };
}

/**
 * Decides. The draw is of the flight's id, so that a flight that is asked about twice is answered alike.
 *
 * @param {string} flightId
 * @param {number} probability
 */
export function decide(flightId, probability) {
  const chances = propensities(probability);
  const action = drawOf(flightId) < chances.warn ? 'warn' : 'none';
  const other = action === 'warn' ? 'none' : 'warn';
  return { action, propensity: chances[action], alternatives: [{ action: other, propensity: chances[other] }] };
}

/** In [0, 1). */
function drawOf(flightId) {
  return createHash('sha256').update(`policy\0${flightId}`).digest().readUInt32BE() / 2 ** 32;
}
