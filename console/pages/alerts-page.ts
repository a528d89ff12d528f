import { html } from 'hono/html';
import { shown } from '../../engine/alerts/alert-event.ts';
import { readProgress } from '../../engine/alerts/series-store.ts';
import { isSilenced, readSilences } from '../../engine/alerts/silence.ts';
import { subjectText } from '../../engine/alerts/subject-text.ts';
import type { ConsoleLook } from '../console-look.ts';
import { link, pageOf, pager, part, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shortened, shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { ifThere } from '../read/if-there.ts';
import { MOST_ALERTS, shownAlerts } from '../read/shown-alerts.ts';

const ROWS = 50;
const SUBJECT_CHARS = 100;

/** Alerts, open ones first, then those that were. */
export async function alertsPage(look: ConsoleLook, page?: string): Promise<ConsolePage> {
  const { deps, nowUs, caller } = look;
  const wallMs = nowUs / 1000;
  const [alerts, silences, [progress]] = await Promise.all([
    shownAlerts(look),
    ifThere(readSilences(deps.pool, wallMs)),
    ifThere(readProgress(deps.pool, 'hour').then((at) => (at === null ? [] : [at]))),
  ]);
  const shownPage = pageOf(alerts, page, ROWS);
  const rows = shownPage.rows.map((alert) => {
    const { id, state, root, kind, rule, place, sinceMs, headline, members, moreMembers, acknowledged } = alert;
    const isQuiet = silences.some((silence) => isSilenced(alert, silence, wallMs));
    return [
      link(pathTo('alerts', id), shortened(subjectText(root), SUBJECT_CHARS)),
      state === 'open' ? html`<span class="bad">open${isQuiet ? ', silenced' : ''}</span>` : state,
      rule === null ? kind : `rule ${rule}`,
      shownTime(sinceMs * 1000),
      shown(headline.statistic, headline.value),
      shown(headline.statistic, headline.usual),
      place,
      members.length + moreMembers - 1,
      acknowledged?.who ?? '',
    ];
  });
  const evaluated =
    progress === undefined
      ? toDo('Nothing has been evaluated yet; start it', command('monitor', 'start'))
      : html`<p>Hours are evaluated until ${shownTime(progress.nextMs * 1000)}.</p>`;
  const body = html`${evaluated}
${table(`Alerts, the open ones first, of the newest ${MOST_ALERTS}`, ['of', 'state', 'kind', 'since', { n: 'value' }, { n: 'usually' }, 'suspected place', { n: 'with it' }, 'seen by'], rows)}
${pager('the alerts', new URLSearchParams(), shownPage.page, shownPage.pages)}
${readAt(nowUs, command('monitor', '--all'))}
${
  caller.readsAll
    ? part(
        'silences',
        'Silences',
        table(
          'Not told of',
          ['of', 'until', 'who', 'why'],
          silences
            .slice(0, ROWS)
            .map(({ object, field, segment, kind, untilMs, who, reason }) => [
              [object, field, segment === null ? null : `${segment.name} = ${segment.value}`, kind]
                .filter((one) => one !== null)
                .join(', '),
              shownTime(untilMs * 1000),
              who,
              reason,
            ]),
        ),
        readAt(nowUs, command('monitor')),
      )
    : ''
}`;
  return { title: 'Alerts', path: '/console/alerts', body };
}
