import { createHash } from 'node:crypto';
import type { MonitorGrain, MonitorSubject } from '../monitors/monitor-bucket.ts';
import type { Deviation } from './evaluate-bucket.ts';
import type { Statistic } from './figures.ts';
import { subjectKey } from './subject-text.ts';
import type { AlertKind, SuspectedPlace } from './trace-causes.ts';

/** One thing that deviates, as of the last bucket in which it did. */
export interface AlertMember {
  readonly subject: MonitorSubject;
  readonly statistic: Statistic;
  readonly sinceMs: number;
  readonly value: number;
  readonly usual: number;
  readonly score: number;
  readonly count: number;
  /** How many weeks told what is usual; 0: a definition says it. */
  readonly weeks: number;
}

/** Members that are kept; of more only how many. */
export const MOST_MEMBERS = 200;

/** An alert: one cause, from its first bucket until it is clean again. */
export interface Alert {
  readonly id: string;
  readonly kind: AlertKind;
  readonly place: SuspectedPlace;
  /** Where it first shows: feature or field, and segment. */
  readonly root: MonitorSubject;
  readonly grain: Exclude<MonitorGrain, 'week'>;
  readonly state: 'open' | 'closed';
  /** Begin of the first bucket, and of the last in which it was so. */
  readonly sinceMs: number;
  readonly lastMs: number;
  /** The root's, as of its worst bucket. */
  readonly headline: AlertMember;
  readonly members: readonly AlertMember[];
  /** Beyond the kept ones. */
  readonly moreMembers: number;
  /** Clean buckets in a row, and buckets in which nothing could be tested. */
  readonly clean: number;
  readonly untested: number;
  /** In monitor time. */
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
  /** Why it closed: `clean`, its subject is `gone`, or later records `amended` what it was of. */
  readonly closedBy: 'clean' | 'gone' | 'amended' | null;
  readonly reopened: number;
  /** One up with each event. */
  readonly revision: number;
  /** Name of the `monitor` in code that says it, else null. */
  readonly rule: string | null;
}

/** What became of an alert, as an event tells. */
export type AlertChange = 'opened' | 'grew' | 'reopened' | 'closed';

/**
 * The id of an alert: the same whoever finds it, whenever.
 *
 * @example
 * alertId('default', root, 'coverage', Date.parse('2013-06-03T14:00Z')); // 'al_3f…'
 */
export function alertId(installation: string, root: MonitorSubject, kind: AlertKind, firstBucketMs: number): string {
  const of = JSON.stringify([installation, subjectKey(root), kind, firstBucketMs]);
  return `al_${createHash('sha256').update(of).digest('hex').slice(0, 20)}`;
}

/** What is kept of a deviation. */
export function memberOf({ subject, statistic, sinceMs, value, usual, score, count, weeks }: Deviation): AlertMember {
  return { subject, statistic, sinceMs, value, usual, score: bounded(score), count, weeks };
}

function bounded(score: number): number {
  return Math.max(-1e9, Math.min(1e9, score));
}

/** One text per member's subject and statistic. */
export function memberKey({ subject, statistic }: Pick<AlertMember, 'subject' | 'statistic'>): string {
  return `${statistic} ${subjectKey(subject)}`;
}
