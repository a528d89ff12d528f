import type { Alert, AlertChange } from './alert.ts';
import type { Silence } from './silence.ts';
import type { Statistic } from './figures.ts';
import { subjectText } from './subject-text.ts';

/** What the topic of alerts, and webhooks, tell: one JSON object per change of an alert. */
export interface AlertEvent {
  /** Of the event: readers dedupe by it. */
  readonly id: string;
  readonly alert: string;
  readonly change: AlertChange;
  readonly installation: string;
  /** Monitor time. */
  readonly at: string;
  readonly kind: string;
  /** producer, source, transformation, store or serving. */
  readonly place: string;
  readonly object: string;
  readonly field: string | null;
  readonly segment: { readonly name: string; readonly value: string } | null;
  /** Begin of the first bucket. */
  readonly since: string;
  readonly until: string | null;
  readonly value: number;
  readonly usual: number;
  readonly records: number;
  /** How many things deviate with it. */
  readonly members: number;
  readonly text: string;
  readonly silenced: { readonly who: string; readonly reason: string } | null;
}

/** The event of a change: the same bytes whoever makes it. */
export function alertEvent(
  alert: Alert,
  change: AlertChange,
  of: { readonly installation: string; readonly atMs: number; readonly silencedBy: Silence | null },
): AlertEvent {
  const { id, revision, kind, place, root, sinceMs, headline, members, moreMembers } = alert;
  return {
    id: `${id}/${revision}`,
    alert: id,
    change,
    installation: of.installation,
    at: isoMs(of.atMs),
    kind,
    place,
    object: root.object,
    field: root.field,
    segment: root.segment,
    since: isoMs(sinceMs),
    until: change === 'closed' ? isoMs(alert.lastMs + (alert.grain === 'hour' ? 3_600_000 : 86_400_000)) : null,
    value: headline.value,
    usual: headline.usual,
    records: headline.count,
    members: members.length + moreMembers,
    text: alertText(alert),
    silenced: of.silencedBy === null ? null : { who: of.silencedBy.who, reason: of.silencedBy.reason },
  };
}

/** An alert in one sentence: what, where, since when, how much. */
export function alertText({ kind, root, place, sinceMs, headline, members, moreMembers, rule }: Alert): string {
  const more = members.length + moreMembers - 1;
  const others = more === 0 ? '' : `; ${more} more with it`;
  const { statistic, value, usual } = headline;
  const what =
    rule === null
      ? `${kind} ${shown(statistic, value)}, usually ${shown(statistic, usual)}`
      : `${statistic} ${shown(statistic, value)}, where monitor "${rule}" allows ${shown(statistic, usual)}`;
  return `${subjectText(root)}: ${what}, since ${isoMs(sinceMs)}; first shows at: ${place}${others}`;
}

/** A statistic's value for a person. */
export function shown(statistic: Statistic, value: number): string {
  switch (statistic) {
    case 'volume':
      return `${Math.round(value)} records`;
    case 'share':
    case 'invalid':
    case 'left-out':
    case 'found':
    case 'kept':
    case 'coverage':
      return `${(100 * value).toFixed(1)} %`;
    case 'lag':
      return `${Math.round(value / 1000)} s`;
    case 'mean':
    case 'distance':
      return `${Number(value.toPrecision(4))}`;
  }
}

/** A time without what is 0 of it: `2013-06-03T14:00Z`. */
export function isoMs(ms: number): string {
  return new Date(ms).toISOString().replace(/(:00)?\.000Z$/, 'Z');
}
