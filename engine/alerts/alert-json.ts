import { formatDateTime } from '../values/iso-time.ts';
import type { AlertMember } from './alert.ts';
import { alertText, isoMs } from './alert-event.ts';
import type { KnownAlert } from './alert-store.ts';
import { isSilenced, type Silence } from './silence.ts';
import { memberCommand } from './evidence.ts';

/** An alert as the command line and HTTP tell it. */
export function alertJson(alert: KnownAlert, silences: readonly Silence[], wallMs: number) {
  const { root, acknowledged, closedAtMs, headline } = alert;
  const silencedBy = silences.find((silence) => isSilenced(alert, silence, wallMs)) ?? null;
  return {
    id: alert.id,
    state: alert.state,
    kind: alert.kind,
    place: alert.place,
    object: root.object,
    field: root.field,
    segment: root.segment,
    since: isoMs(alert.sinceMs),
    last: isoMs(alert.lastMs),
    grain: alert.grain,
    value: headline.value,
    usual: headline.usual,
    score: headline.score,
    records: headline.count,
    weeks: headline.weeks,
    text: alertText(alert),
    rule: alert.rule,
    opened_at: isoMs(alert.openedAtMs),
    closed_at: closedAtMs === null ? null : isoMs(closedAtMs),
    closed_by: alert.closedBy,
    reopened: alert.reopened,
    members: alert.members.map(memberJson),
    more_members: alert.moreMembers,
    evidence: memberCommand(alert),
    acknowledged:
      acknowledged === null
        ? null
        : { who: acknowledged.who, reason: acknowledged.reason, at: formatDateTime(acknowledged.atUs) },
    silenced: silencedBy === null ? null : silenceJson(silencedBy),
  };
}

export type AlertJson = ReturnType<typeof alertJson>;

export function silenceJson({ id, object, field, segment, kind, untilMs, who, reason }: Silence) {
  return { id, object, field, segment, kind, until: isoMs(untilMs), who, reason };
}

function memberJson({ subject, statistic, sinceMs, value, usual, score, count, weeks }: AlertMember) {
  const { place, object, field, segment } = subject;
  return {
    place,
    object,
    field,
    segment,
    statistic,
    since: isoMs(sinceMs),
    value,
    usual,
    score,
    records: count,
    weeks,
  };
}
