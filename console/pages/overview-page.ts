import { html } from 'hono/html';
import { openRollouts } from '../../engine/postgres/rollouts.ts';
import { latestAudits } from '../../engine/postgres/parity-audits.ts';
import { archiveProgress } from '../../engine/postgres/archive-progress.ts';
import { viewProgress } from '../../engine/postgres/view-progress.ts';
import type { ConsoleLook } from '../console-look.ts';
import { command } from '../markup/shell-word.ts';
import { link, pageOf, pager, part, pathTo, readAt, table, tiles, toDo } from '../markup/parts.ts';
import { shownCount, shownSpan, shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { ifThere } from '../read/if-there.ts';
import { shownAlerts } from '../read/shown-alerts.ts';

const ROWS = 50;

/** What is served, how fresh it is, and what is under way. */
export async function overviewPage(look: ConsoleLook, page?: string): Promise<ConsolePage> {
  const { deps, nowUs, views, services, models, caller } = look;
  const [progress, audits, rollouts, archives, alerts] = await Promise.all([
    viewProgress(deps.pool),
    latestAudits(deps.pool),
    ifThere(openRollouts(deps.pool)),
    caller.readsAll ? archiveProgress(deps.pool) : [],
    shownAlerts(look, 'open'),
  ]);
  const at = new Map(progress.map((one) => [one.view, one]));
  const verdicts = new Map(audits.map((one) => [one.view, one]));
  const served = [...views.values()].filter(({ status }) => status === 'live');
  const others = [...views.values()].filter(({ status }) => status !== 'live');
  const shownModels = new Set(models.map(({ model }) => model));
  const open = rollouts.filter(({ model }) => shownModels.has(model));
  // The stalest first: that is what one looks for.
  const order = served.toSorted(
    (a, b) => (at.get(a.view)?.watermarkUs ?? 0) - (at.get(b.view)?.watermarkUs ?? 0) || (a.view < b.view ? -1 : 1),
  );
  const shown = pageOf(order, page, ROWS);
  const rows = shown.rows.map(({ view, version, layout, publishedAtUs }) => {
    const { lag = null, watermarkUs = null } = at.get(view) ?? {};
    const verdict = verdicts.get(view)?.verdict;
    return [
      link(pathTo('views', view), view),
      layout.entity,
      shownCount(version),
      watermarkUs === null ? '–' : shownSpan(nowUs - watermarkUs),
      shownCount(lag),
      verdict === undefined ? 'not audited' : verdict === 'broken' ? html`<span class="bad">broken</span>` : verdict,
      shownTime(publishedAtUs),
    ];
  });
  const lags = served.flatMap(({ view }) => at.get(view)?.lag ?? []);
  const body = html`${tiles([
    [shownCount(alerts.length), 'open alerts'],
    [shownCount(served.length), 'views are served'],
    [shownCount(services.length), 'feature services'],
    [shownCount(models.length), 'models'],
    [shownCount(lags.length === 0 ? null : Math.max(...lags)), 'records behind, the most'],
    [shownCount(others.length), 'views not served'],
    [shownCount(open.length), 'open rollouts'],
  ])}
${readAt(nowUs, command('status'))}
${part(
  'served',
  'Served',
  table(
    'Views that are served, the least fresh first',
    ['view', 'entity', { n: 'version' }, { n: 'freshness' }, { n: 'lag' }, 'parity', 'served since'],
    rows,
  ),
  pager('the views', new URLSearchParams(), shown.page, shown.pages),
  served.length === 0 ? toDo('Build and serve one', command('start', 'VIEW')) : '',
)}
${part(
  'open',
  'Under way',
  table(
    'Views that are not served',
    ['view', 'state', { n: 'version' }],
    others
      .slice(0, ROWS)
      .map(({ view, status, version }) => [link(pathTo('views', view), view), status, shownCount(version)]),
  ),
  table(
    'Open rollouts',
    ['model', { n: 'stage' }, 'shares', 'moved'],
    open
      .slice(0, ROWS)
      .map(({ model, id, stage, variants, movedAtUs }) => [
        link(pathTo('models', model, 'rollouts', id), model),
        stage + 1,
        variants.map(({ variant, share }) => `${variant} ${Math.round(share * 100)} %`).join(', '),
        shownTime(movedAtUs),
      ]),
  ),
)}
${
  caller.readsAll
    ? part(
        'archives',
        'Archives',
        table(
          'Topics that are archived',
          ['source', { n: 'lag' }, { n: 'holes' }, { n: 'lost' }, 'last file'],
          archives
            .slice(0, ROWS)
            .map(({ source, lag, holes, lost, updatedAtUs }) => [
              source,
              shownCount(lag),
              shownCount(holes),
              shownCount(lost),
              `${shownSpan(nowUs - updatedAtUs)} ago`,
            ]),
        ),
        readAt(nowUs, command('log', 'SOURCE')),
      )
    : ''
}`;
  return { title: 'Overview', path: '/console', body };
}
