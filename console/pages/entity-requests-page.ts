import { html } from 'hono/html';
import { textReading } from '../../engine/values/text-reading.ts';
import { type ConsoleLook, viewIn } from '../console-look.ts';
import { facts, link, part, pathTo, readAt, table } from '../markup/parts.ts';
import { shortened } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';
import {
  type ConsoleLog,
  entityRequests,
  type Found,
  MOST_RECORDS,
  requestDecisions,
} from '../read/entity-requests.ts';
import { KEY } from './entity-page.ts';

const VALUE_CHARS = 400;

/** Who read an entity in the last 24 hours, what they got, and what was decided by it. */
export async function entityRequestsPage(
  look: ConsoleLook,
  name: string,
  query: URLSearchParams,
): Promise<ConsolePage> {
  const { layout } = viewIn(look, name);
  const entity = Object.fromEntries(layout.keys.map((key) => [key.name, query.get(KEY + key.name) ?? '']));
  const { log, installation } = look.deps;
  const path = pathTo('views', name, 'requests');
  const words = Object.entries(entity).map(([key, value]) => `${key}=${value}`);
  const why = !look.caller.readsAll
    ? 'Who asked for what is shown to a token that reads all views (read:*).'
    : log === null
      ? 'This server knows of no Kafka: the serving log cannot be looked through.'
      : null;
  const shown = log === null || why !== null ? html`<p>${why ?? ''}</p>` : await requestsPart(look, log, name, entity);
  const body = html`${facts([
    ['view', link(pathTo('views', name), name)],
    ['entity', words.join(' ')],
    ['installation', installation.name],
  ])}
${shown}`;
  return { title: `Requests of one ${layout.entity}`, path, body };
}

async function requestsPart(
  look: ConsoleLook,
  log: ConsoleLog,
  view: string,
  entity: Readonly<Record<string, string>>,
): Promise<Markup> {
  const { deps, nowUs } = look;
  const [key = []] = await deps.store.keysOf(view, [entity], textReading);
  const requests = await entityRequests(log, view, key, nowUs);
  const topics = [...deps.definitions.sources.values()].flatMap(({ says, topic }) =>
    says === 'decisions' && topic !== null ? [topic] : [],
  );
  const ids = new Set(requests.rows.map(({ requestId }) => requestId));
  const decided = ids.size === 0 ? { rows: [], isWhole: true } : await requestDecisions(log.reader, topics, ids, nowUs);
  return html`${part(
    'requests',
    'Reads of the last 24 hours',
    table(
      'The newest 100, at most',
      ['request', 'served', 'values of', 'service', { n: 'version' }, 'values', 'errors'],
      requests.rows.map((one) => [
        one.requestId,
        one.servedAt,
        one.asOf,
        one.service ?? '',
        one.version,
        html`<code>${shortened(one.values, VALUE_CHARS)}</code>`,
        one.errors ?? '',
      ]),
    ),
    wholeness(requests),
    readAt(nowUs, null),
  )}
${part(
  'decisions',
  'Decisions by these reads',
  table(
    'The newest 100 decisions, at most',
    ['decision', 'decided', 'model', 'action', 'score', 'request'],
    decided.rows.map((one) => [one.decisionId, one.decidedAt, one.model, one.action, one.score, one.requestId]),
  ),
  wholeness(decided),
)}`;
}

function wholeness({ isWhole }: Found<unknown>): Markup {
  return isWhole
    ? html``
    : html`<p class="warn">Not all was looked through: of each partition the newest ${MOST_RECORDS} records, and no longer than 3 s.</p>`;
}
