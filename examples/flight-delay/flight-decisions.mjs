/** Decides whether to warn of flights, and says so on the log. */
import { delayDecisions, flightDelay } from './features/departures.ts';
import { decide } from './policy.mjs';

/** @typedef {{ flight_id: string, origin: string, destination: string, scheduled: string, distance: number }} Flight */

/**
 * Decides on flights that are to leave two hours from now: reads their features, asks whichever version each flight has, and logs what was decided, by what, and
 * what else could have been done.
 *
 * @param {import('millrace/client').FeatureClient} client
 * @param {object} late the model, as `client.model` holds it
 * @param {Flight[]} flights
 */
export async function decideOn(client, late, flights) {
  const startedMs = performance.now();
  const asked = await Promise.all(flights.map((flight) => readOf(client, flight)));
  const given = asked.map((one) => ({ ...one, ...late.variant(one.flight.flight_id) }));
  score(given, ({ value }) => value, 'probability');
  score(
    given.filter(({ shadow }) => shadow !== null),
    ({ shadow }) => shadow.value,
    'shadowProbability',
  );
  const latencyMs = (performance.now() - startedMs) / Math.max(1, flights.length);
  return given.map((one) => logged(client, late, one, latencyMs));
}

/** A flight whose features cannot be had is decided on all the same. */
async function readOf(client, flight) {
  const { origin, destination, scheduled, distance } = flight;
  try {
    const read = await client.getService(
      flightDelay,
      { origin, destination, network: 'us' },
      { request: { scheduled: Date.parse(scheduled) * 1000, distance } },
    );
    return { flight, read, error: null };
  } catch (error) {
    return { flight, read: null, error: error.code ?? 'unexpected' };
  }
}

/** All of a model at once. */
function score(given, modelOf, into) {
  const byModel = Map.groupBy(
    given.filter(({ read }) => read !== null),
    modelOf,
  );
  for (const [model, ones] of byModel) {
    const probabilities = model.probabilities(ones.map(({ read }) => read));
    for (const [n, one] of ones.entries()) one[into] = probabilities[n];
  }
}

function logged(
  client,
  late,
  { flight, read, error, version, assigned, shadow, probability, shadowProbability },
  latencyMs,
) {
  const { flight_id, origin, destination, scheduled } = flight;
  const common = {
    ...(read === null ? {} : { reads: [read] }),
    service: flightDelay.name,
    unit: flight_id,
    context: { flight_id, origin, destination, scheduled },
    latencyMs,
    ...(error === null ? {} : { error }),
  };
  // Without features nobody is warned, whatever the model: no chances are logged, and nothing is concluded of it.
  const taken = read === null ? { action: 'none' } : { score: probability, ...decide(flight_id, probability) };
  const id = client.decide(delayDecisions, {
    ...common,
    ...taken,
    model: { name: late.current.model, version },
    ...(assigned === null ? {} : { assigned }),
  });
  if (shadow !== null) {
    const would =
      read === null ? { action: 'none' } : { score: shadowProbability, ...decide(flight_id, shadowProbability) };
    client.decide(delayDecisions, {
      ...common,
      ...would,
      model: { name: late.current.model, version: shadow.version },
      ...(shadow.assigned === null ? {} : { assigned: shadow.assigned }),
      acted: false,
      shadowOf: id,
    });
  }
  return { flight_id, decision_id: id, action: taken.action, probability: probability ?? null, version };
}
