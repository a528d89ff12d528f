import type { Row } from '../define/compiled-view.ts';

/**
 * The reads of a decision that are of a service's block: those that the service itself gave; where it gave none those that were asked for without a
 * service, then those of others.
 *
 * @param block the name of the view, or of its role
 */
export function readsOf(decision: Row, service: string, block: string, view: string): readonly Row[] {
  const same = (decision['reads'] as readonly Row[]).filter(
    (read) => (read['request'] ?? null) === null && read['block'] === block && read['view'] === view,
  );
  for (const by of [service, null]) {
    const own = same.filter((read) => (read['service'] ?? null) === by);
    if (own.length > 0) return own;
  }
  return same;
}

/** The reads that are of the service itself: what it was asked with, and what it derived. */
export function ownReadsOf(decision: Row, service: string): readonly Row[] {
  return (decision['reads'] as readonly Row[]).filter(
    (read) => (read['request'] ?? null) !== null && read['block'] === service,
  );
}
