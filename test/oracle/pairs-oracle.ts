/** A record of a log, as far as pairs go. Times are epoch µs; `key` null joins nothing. */
export interface LoggedEvent {
  readonly id: string;
  readonly timeUs: number;
  readonly key: string | null;
}

/** A partition in its order; null is a record that breaks its contract. */
export type LoggedPartition = readonly (LoggedEvent | null)[];

/** What of a partition counts, by the words: a repeat of an id within the horizon of its claim is none, nor is what is older than the watermark before it by more. */
export function counted(partition: LoggedPartition, latenessUs: number): LoggedEvent[] {
  const claims: LoggedEvent[] = [];
  const events: LoggedEvent[] = [];
  let watermarkUs = Number.NEGATIVE_INFINITY;
  for (const event of partition) {
    if (event === null) continue;
    const latest = Math.max(watermarkUs, event.timeUs);
    const isRepeat = claims.some((claim) => claim.id === event.id && latest <= claim.timeUs + latenessUs);
    const isLate = event.timeUs < watermarkUs - latenessUs;
    watermarkUs = latest;
    if (isRepeat || isLate) continue;
    claims.push(event);
    events.push(event);
  }
  return events;
}

/** A pair as text. */
export function pairText(d: LoggedEvent, o: LoggedEvent): string {
  return `${d.id}@${d.timeUs} ${o.id}@${o.timeUs}`;
}

/** All pairs of two logs, in the order of their texts: an outcome counts iff 0 ≤ o.time − d.time ≤ horizon. */
export function pairsOf(
  decisions: readonly LoggedPartition[],
  outcomes: readonly LoggedPartition[],
  { horizonUs, latenessUs }: { readonly horizonUs: number; readonly latenessUs: number },
): string[] {
  const pairs: string[] = [];
  for (const d of decisions.flatMap((partition) => counted(partition, latenessUs)))
    for (const o of outcomes.flatMap((partition) => counted(partition, latenessUs)))
      if (d.key !== null && d.key === o.key && o.timeUs - d.timeUs >= 0 && o.timeUs - d.timeUs <= horizonUs)
        pairs.push(pairText(d, o));
  return pairs.toSorted();
}
