import { html } from 'hono/html';
import { nameOfType } from '../../engine/values/type-name.ts';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { desiredView } from '../../engine/postgres/desired-views.ts';
import { keptSizes } from '../../engine/postgres/kept-sizes.ts';
import { recentAudits } from '../../engine/postgres/parity-audits.ts';
import { viewProgress } from '../../engine/postgres/view-progress.ts';
import { aboutIn, type ConsoleLook, viewIn } from '../console-look.ts';
import { linePlot } from '../markup/line-plot.ts';
import { aboutPart, facts, link, list, part, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownBytes, shownCount, shownFigure, shownSpan, shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { ifThere } from '../read/if-there.ts';
import { readersOfView } from '../read/reading-models.ts';
import { type ViewActivity, viewActivity } from '../read/view-activity.ts';
import { type VersionRow, versionRows } from '../read/view-history.ts';
import { workflowPart } from '../workflow-links.ts';
import { featureTable } from './feature-table.ts';

const AUDITS = 10;
const EVENTS = 10;
/** Commits over less than this tell no rate. */
const LEAST_SPAN_US = 10_000_000;

/** A view: what it is, how it is, and what became of it. */
export async function viewPage(look: ConsoleLook, name: string, page?: string): Promise<ConsolePage> {
  const view = viewIn(look, name);
  const { deps, nowUs, caller } = look;
  const { pool } = deps;
  const [[progress], activity, versions, audits, kept, desired, events] = await Promise.all([
    viewProgress(pool, name),
    view.version === null ? { buckets: [], commits: 0 } : viewActivity(pool, name, view.version, nowUs),
    versionRows(pool, name),
    recentAudits(pool, name, AUDITS),
    ifThere(keptSizes(pool, name)),
    desiredView(pool, name),
    caller.isAdmin ? auditEvents(pool, { subject: name, limit: EVENTS }) : [],
  ]);
  const readers = readersOfView(look, name);
  const letters = kept
    .filter(({ kind }) => kind === 'dead-letters')
    .reduce((sum, one) => sum + one.rows + one.droppedRows, 0);
  const served = versions.find(({ version }) => version === view.version);
  const counts = Object.entries(progress?.counts ?? {});
  const body = html`${aboutPart(aboutIn(look, 'feature view', name))}
${facts([
  ['state', view.status === 'live' ? `served, version ${view.version}` : view.status],
  [
    'entity',
    html`${link(pathTo('entities', view.layout.entity), view.layout.entity)} by ${view.layout.keys.map(({ name: key, type }) => `${key}: ${nameOfType(type)}`).join(', ')}`,
  ],
  ['source', link(pathTo('sources', view.source), view.source)],
  ['topic', view.topic ?? 'none'],
  ['fingerprint', html`<code>${view.fingerprint}</code>`],
  ['served since', shownTime(view.publishedAtUs)],
  ['entities', html`${shownCount(served?.entities ?? null)} <span class="dim">as Postgres estimates</span>`],
  ['size of states', shownBytes(served?.bytes ?? null)],
  ['read by services', list(readers.services.map((service) => link(pathTo('services', service), service)))],
  ['and by models', list(readers.models.map((model) => link(pathTo('models', model), model)))],
  ['applied', appliedText(desired, view.fingerprint)],
])}
<p>${link(pathTo('lineage', 'view', name), 'Lineage')} · ${link(pathTo('views', name, 'definition'), 'Definition as written')} · ${link(pathTo('views', name, 'entity'), 'One entity')} · ${link(pathTo('views', name, 'dead-letters'), 'Dead letters')} · ${link(pathTo('views', name, 'quality'), 'Coverage and drift')}</p>
${readAt(nowUs, command('status', name))}
${workflowPart(deps, deps.installation.lifecycleId(name), 'Its lifecycle, its phase and what it waits for', command('status', name))}
${part(
  'freshness',
  'Freshness and throughput',
  facts([
    [
      'freshness',
      progress?.watermarkUs == null
        ? '–'
        : `${shownSpan(nowUs - progress.watermarkUs)}, of ${shownTime(progress.watermarkUs)}`,
    ],
    ['lag', `${shownCount(progress?.lag ?? null)} records`],
    ['last commit', progress?.committedAtUs == null ? 'never' : `${shownSpan(nowUs - progress.committedAtUs)} ago`],
    ['throughput', throughputText(activity)],
    ['states', entityText(served)],
    ['expired rows removed', shownCount(progress?.expiredRows ?? null)],
  ]),
  html`<div class="plots">${linePlot(
    'records committed',
    activity.buckets.map(({ us, records }) => ({ us, value: records })),
    { bars: true, shown: (value) => shownCount(Math.round(value)) },
  )}${linePlot(
    'newest event behind the commit',
    activity.buckets.map(({ us, behindUs }) => ({ us, value: behindUs })),
    { shown: shownSpan },
  )}</div>`,
  html`<p class="note">of the newest ${shownCount(activity.commits)} commits of a day, at most</p>`,
  readAt(nowUs, command('log', '--commits', name)),
  toDo('What an event costs of time, and an entity of bytes: measured on sampled rows, not kept', command('plan')),
)}
${part('features', 'Features', featureTable(look, view, page))}
${part(
  'records',
  'Where records went',
  table(
    'Records by outcome',
    ['outcome', { n: 'records' }],
    counts.map(([outcome, records]) => [outcome, shownCount(records)]),
  ),
  html`<p>${shownCount(letters)} dead letters in all: ${link(pathTo('views', name, 'dead-letters'), 'with their reasons')}.</p>`,
  readAt(nowUs, command('status', name)),
)}
${part(
  'parity',
  'Parity',
  table(
    'The newest audits',
    ['audit', 'kind', 'verdict', { n: 'version' }, { n: 'cells' }, { n: 'differing' }, 'causes', 'ended'],
    audits.map((audit) => [
      audit.auditId,
      audit.kind,
      audit.verdict === 'broken' ? html`<span class="bad">broken</span>` : audit.verdict,
      audit.version,
      shownCount(audit.cellsCompared),
      shownCount(audit.cellsDiffering),
      Object.entries(audit.causes)
        .map(([cause, n]) => `${n} ${cause}`)
        .join(', '),
      shownTime(audit.finishedAtUs),
    ]),
  ),
  toDo('Compare what is served with the log', command('audit', name)),
)}
${part('versions', 'Versions', versionTable(versions), readAt(nowUs, command('versions', name, '--all')))}
${
  caller.isAdmin
    ? part(
        'events',
        'Who did what',
        table(
          'The newest commands',
          ['when', 'who', 'what'],
          events.map(({ atUs, actor, action }) => [shownTime(atUs), actor, action]),
        ),
        readAt(nowUs, command('events', '--view', name)),
      )
    : ''
}`;
  return { title: name, path: pathTo('views', name), body };
}

/** Over the time that the newest commits took: a topic that is replayed shows what a stream can, one that is not how much comes. */
function throughputText({ buckets }: ViewActivity): string {
  const [first, second] = buckets;
  if (first === undefined || second === undefined) return '–';
  const records = buckets.reduce((sum, one) => sum + one.records, 0);
  const spanUs = (second.us - first.us) * buckets.length;
  if (spanUs < LEAST_SPAN_US) return '–';
  return `${shownFigure((records / spanUs) * 1e6)} records a second, over ${shownSpan(spanUs)} of commits`;
}

function entityText(served: VersionRow | undefined): string {
  if (served?.bytes == null || served.entities == null || served.entities === 0) return '–';
  return `about ${shownBytes(Math.round(served.bytes / served.entities))} an entity, indexes included`;
}

function appliedText(
  desired: {
    readonly fingerprint: string;
    readonly actor: string;
    readonly atUs: number;
    readonly message: string | null;
  } | null,
  fingerprint: string,
): string {
  if (desired === null) return 'never by apply';
  const same =
    desired.fingerprint === fingerprint ? 'this definition' : `${desired.fingerprint.slice(0, 12)}, another than this`;
  return `${same}, by ${desired.actor}, ${shownTime(desired.atUs)}${desired.message === null ? '' : `: ${desired.message}`}`;
}

function versionTable(versions: readonly VersionRow[]) {
  return table(
    'The newest versions',
    ['version', 'state', 'fingerprint', 'built by', 'made', 'served', 'until', { n: 'entities' }, { n: 'size' }],
    versions.map((version) => [
      version.version,
      version.status,
      html`<code>${version.fingerprint.slice(0, 12)}</code>`,
      `${version.builder ?? ''}${version.madeFrom === null ? '' : `, of version ${version.madeFrom}`}`,
      shownTime(version.createdAtUs),
      shownTime(version.publishedAtUs),
      version.endedAtUs === null ? '' : shownTime(version.endedAtUs),
      shownCount(version.entities),
      shownBytes(version.bytes),
    ]),
  );
}
