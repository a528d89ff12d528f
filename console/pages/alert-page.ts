import { html } from 'hono/html';
import type { AlertMember } from '../../engine/alerts/alert.ts';
import { alertText, shown } from '../../engine/alerts/alert-event.ts';
import { type KnownAlert, readAlerts } from '../../engine/alerts/alert-store.ts';
import { memberCommand } from '../../engine/alerts/evidence.ts';
import { figuresOf } from '../../engine/alerts/figures.ts';
import { subjectText } from '../../engine/alerts/subject-text.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import { type ConsoleLook, notInConsole } from '../console-look.ts';
import { linePlot } from '../markup/line-plot.ts';
import { facts, link, part, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shortened, shownCount, shownTime } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { ifThere } from '../read/if-there.ts';
import { maySee, subjectPath } from '../read/shown-alerts.ts';

const DAY_MS = 86_400_000;
const PLOTS = 6;
const MEMBERS = 100;
const MOST_BUCKETS = 400;
const SUBJECT_CHARS = 100;

/** An alert: what deviates, by how much, and the evidence drawn. */
export async function alertPage(look: ConsoleLook, id: string): Promise<ConsolePage> {
  const [alert] = await ifThere(readAlerts(look.deps.pool, { id }));
  if (alert === undefined || !maySee(look, alert.root)) return notInConsole('alert', id);
  const { root, acknowledged, closedAtMs, closedBy } = alert;
  const members = alert.members.filter(({ subject }) => maySee(look, subject));
  const drawn = [alert.headline, ...members.filter((member) => !isSame(member, alert.headline))].slice(0, PLOTS);
  const plots = await Promise.all(drawn.map((member) => memberPlot(look, alert, member)));
  const where = subjectPath(look, root);
  const text = shortened(subjectText(root), SUBJECT_CHARS);
  const body = html`<p>${alertText(alert)}</p>
${facts([
  ['of', where === null ? text : link(where, text)],
  ['state', alert.state === 'open' ? html`<span class="bad">open</span>` : alert.state],
  ['kind', alert.rule === null ? alert.kind : `rule ${alert.rule}`],
  ['suspected place', alert.place],
  ['since', shownTime(alert.sinceMs * 1000)],
  ['last seen', `in the ${alert.grain} of ${shownTime(alert.lastMs * 1000)}`],
  ['closed', closedAtMs === null ? 'no' : `${shownTime(closedAtMs * 1000)}: ${closedBy ?? ''}`],
  ['opened again', `${alert.reopened} times`],
  [
    'looked after by',
    acknowledged === null ? 'nobody' : `${acknowledged.who}, ${shownTime(acknowledged.atUs)}: ${acknowledged.reason}`,
  ],
  ['where to look', memberCommand(alert)],
])}
${readAt(look.nowUs, command('monitor', 'alert', id))}
${toDo('Say that you look after it', command('monitor', 'ack', id, '--reason', 'WHY'))}
${toDo('Not be told of it for a while', command('monitor', 'silence', id, '--until', 'TIME', '--reason', 'WHY'))}
${part('evidence', 'Evidence', html`<div class="plots">${plots}</div>`, readAt(look.nowUs, command('monitor', 'alert', id)))}
${part(
  'with-it',
  'What deviates with it',
  table(
    `${shownCount(alert.members.length + alert.moreMembers)} in all`,
    ['of', 'at', 'statistic', 'since', { n: 'value' }, { n: 'usually' }, { n: 'spreads off' }, { n: 'records' }],
    members
      .slice(0, MEMBERS)
      .map(({ subject, statistic, sinceMs, value, usual, score, count }) => [
        shortened(subjectText(subject), SUBJECT_CHARS),
        subject.place,
        statistic,
        shownTime(sinceMs * 1000),
        shown(statistic, value),
        shown(statistic, usual),
        score.toFixed(1),
        shownCount(count),
      ]),
  ),
)}`;
  return { title: `Alert: ${text}`, path: pathTo('alerts', id), body };
}

/** A statistic of a subject from a week before it deviated to a day after. */
async function memberPlot(
  look: ConsoleLook,
  alert: KnownAlert,
  { subject, statistic, usual }: AlertMember,
): Promise<Markup> {
  const { place, object, field, segment } = subject;
  const [fromMs, untilMs] = [alert.sinceMs - 7 * DAY_MS, alert.lastMs + DAY_MS];
  const of = { place, object, field, grain: alert.grain, fromMs, untilMs, limit: MOST_BUCKETS };
  const [own, whole] = await Promise.all([
    readBuckets(look.deps.pool, { ...of, segment }),
    statistic === 'share' ? readBuckets(look.deps.pool, { ...of, field: null, segment: null }) : [],
  ]);
  const counts = new Map(whole.map(({ beginMs, count }) => [beginMs, count]));
  const points = own.map((bucket, index) => {
    // What a distance is of is not kept for each hour: the bucket before stands for it.
    const before = own.slice(Math.max(0, index - 1), index);
    const { figures } = figuresOf(bucket.beginMs, bucket, before, counts.get(bucket.beginMs) ?? null);
    return { us: bucket.beginMs * 1000, value: figures.values[statistic] ?? null };
  });
  const title = `${statistic} of ${shortened(subjectText(subject), SUBJECT_CHARS)}, usually ${shown(statistic, usual)}`;
  return linePlot(title, points, { shown: (value) => shown(statistic, value) });
}

function isSame(one: AlertMember, other: AlertMember): boolean {
  return one.statistic === other.statistic && JSON.stringify(one.subject) === JSON.stringify(other.subject);
}
