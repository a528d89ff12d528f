import { type Alert, type AlertChange, type AlertMember, alertId, memberKey, memberOf, MOST_MEMBERS } from './alert.ts';
import type { BucketResult } from './evaluate-bucket.ts';
import { nodeKey, sameSegment, subjectKey } from './subject-text.ts';
import { THRESHOLDS } from './thresholds.ts';
import type { Cause } from './trace-causes.ts';

/** An alert after a bucket; with a change, an event tells of it. */
export interface AlertStep {
  readonly alert: Alert;
  readonly change: AlertChange | null;
}

export interface CourseInput {
  readonly installation: string;
  readonly grain: Alert['grain'];
  /** When the bucket closed, in monitor time. */
  readonly atMs: number;
  readonly result: BucketResult;
  readonly causes: readonly (Cause & { readonly rule?: string | undefined })[];
  /** Open alerts whose buckets later records made as usual. Default: none. */
  readonly amended?: ReadonlySet<string> | undefined;
  /** Those that are open, and those closed within the last day, newest first. */
  readonly alerts: readonly Alert[];
}

/**
 * What a bucket does to alerts: a cause joins the open alert it belongs to, opens one that closed within a day again, or opens its own; an open alert
 * that none joined comes a clean bucket nearer to its end. Pure: the same input gives the same steps, ids included.
 */
export function stepAlerts({ installation, grain, atMs, result, causes, alerts, amended }: CourseInput): AlertStep[] {
  const open = new Map(
    alerts.filter((each) => each.state === 'open' && each.grain === grain).map((each) => [each.id, each]),
  );
  const closed = alerts.filter((each) => each.state === 'closed' && each.grain === grain);
  const steps = new Map<string, AlertStep>();
  for (const cause of causes) {
    const now = [...steps.values()].map(({ alert }) => alert);
    const joined = [...now, ...open.values()].find((alert) => belongs(cause, alert));
    if (joined !== undefined) {
      const before = steps.get(joined.id);
      const grown = grow(before?.alert ?? joined, cause, result.beginMs);
      steps.set(joined.id, { alert: grown.alert, change: before?.change ?? (grown.isNews ? 'grew' : null) });
      continue;
    }
    const again = closed.find((alert) => isAgain(cause, alert, atMs));
    if (again !== undefined) {
      const { alert } = grow(again, cause, result.beginMs);
      const state = { state: 'open' as const, closedAtMs: null, closedBy: null, reopened: alert.reopened + 1 };
      steps.set(alert.id, { alert: { ...alert, ...state }, change: 'reopened' });
      continue;
    }
    const alert = opened(installation, grain, atMs, result.beginMs, cause);
    steps.set(alert.id, { alert, change: 'opened' });
  }
  for (const alert of open.values())
    if (!steps.has(alert.id))
      steps.set(
        alert.id,
        amended?.has(alert.id) === true ? ended(alert, atMs, 'amended') : rested(alert, result, atMs),
      );
  return [...steps.values()].map(({ alert, change }) => ({
    alert: change === null ? alert : { ...alert, revision: alert.revision + 1 },
    change,
  }));
}

function opened(
  installation: string,
  grain: Alert['grain'],
  atMs: number,
  beginMs: number,
  cause: CourseInput['causes'][number],
): Alert {
  const { kind, place, root, sinceMs, headline } = cause;
  const { members, more } = united([], cause.deviations.map(memberOf));
  return {
    id: alertId(installation, root, kind, sinceMs),
    kind,
    place,
    root,
    grain,
    state: 'open',
    sinceMs,
    lastMs: beginMs,
    headline: memberOf(headline),
    members,
    moreMembers: more,
    clean: 0,
    untested: 0,
    openedAtMs: atMs,
    closedAtMs: null,
    closedBy: null,
    reopened: 0,
    revision: 0,
    rule: cause.rule ?? null,
  };
}

/**
 * What is told of either is in the other already; or it is the same stage, for a segment that either names alone or both name. Records that stop are not
 * those that were none to their contract: of records the kinds are kept apart.
 */
export function belongs(cause: CourseInput['causes'][number], alert: Alert): boolean {
  if ((cause.rule ?? null) !== alert.rule) return false;
  const told = memberKey(alert.headline);
  if (cause.deviations.some((each) => memberKey(each) === told)) return true;
  const own = memberKey(cause.headline);
  if (alert.members.some((each) => memberKey(each) === own)) return true;
  if (nodeKey(cause.root) !== nodeKey(alert.root)) return false;
  if (cause.root.field === null && cause.headline.statistic !== alert.headline.statistic) return false;
  const [one, other] = [cause.root.segment, alert.root.segment];
  return one === null || other === null || sameSegment(one, other);
}

function isAgain(cause: CourseInput['causes'][number], alert: Alert, atMs: number): boolean {
  const isRecent = alert.closedAtMs !== null && atMs - alert.closedAtMs <= THRESHOLDS.reopenWithinMs;
  return isRecent && belongs(cause, alert);
}

/** News is a stage that was not in it before. */
function grow(alert: Alert, cause: Cause, beginMs: number): { readonly alert: Alert; readonly isNews: boolean } {
  const nodes = new Set(alert.members.map(({ subject }) => nodeKey(subject)));
  const isNews = cause.deviations.some(({ subject }) => !nodes.has(nodeKey(subject)));
  const { members, more } = united(alert.members, cause.deviations.map(memberOf));
  const { headline } = alert;
  const same = cause.deviations.map(memberOf).find((each) => memberKey(each) === memberKey(headline));
  const worse = same !== undefined && Math.abs(same.score) > Math.abs(headline.score);
  return {
    alert: {
      ...alert,
      members,
      moreMembers: Math.max(alert.moreMembers, more),
      lastMs: Math.max(alert.lastMs, beginMs),
      clean: 0,
      untested: 0,
      headline: worse ? { ...same, sinceMs: headline.sinceMs } : headline,
    },
    isNews,
  };
}

function united(
  before: readonly AlertMember[],
  now: readonly AlertMember[],
): { readonly members: readonly AlertMember[]; readonly more: number } {
  const all = new Map(before.map((each) => [memberKey(each), each]));
  for (const each of now) {
    const known = all.get(memberKey(each));
    all.set(memberKey(each), known === undefined ? each : { ...each, sinceMs: Math.min(known.sinceMs, each.sinceMs) });
  }
  const members = [...all.values()];
  return { members: members.slice(0, MOST_MEMBERS), more: Math.max(0, members.length - MOST_MEMBERS) };
}

/** A bucket that no cause of it was in. */
function rested(alert: Alert, { series }: BucketResult, atMs: number): AlertStep {
  // What is in it is clean where it could be judged; a night without records says nothing.
  const { statistic, subject } = alert.headline;
  const found = series.get(subjectKey(subject));
  const isTested =
    alert.rule === null ? found?.judged.has(statistic) === true : found?.figures.values[statistic] !== undefined;
  const clean = isTested ? alert.clean + 1 : alert.clean;
  const untested = isTested ? 0 : alert.untested + 1;
  const closedBy = clean >= THRESHOLDS.cleanBuckets ? 'clean' : untested >= THRESHOLDS.untestedBuckets ? 'gone' : null;
  if (closedBy === null) return { alert: { ...alert, clean, untested }, change: null };
  return ended({ ...alert, clean, untested }, atMs, closedBy);
}

function ended(alert: Alert, atMs: number, closedBy: Alert['closedBy']): AlertStep {
  return { alert: { ...alert, state: 'closed', closedAtMs: atMs, closedBy }, change: 'closed' };
}
