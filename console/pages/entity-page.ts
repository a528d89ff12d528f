import { html } from 'hono/html';
import { isMillraceError, MillraceError } from '../../engine/errors/millrace-error.ts';
import { jsonTree } from '../../engine/values/composite-text.ts';
import { errorOf } from '../../engine/values/feature-errors.ts';
import { formatDateTime, INSTANT, parseDateTime } from '../../engine/values/iso-time.ts';
import { shownTree } from '../../engine/values/shown-tree.ts';
import { textReading } from '../../engine/values/text-reading.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import type { ViewRead } from '../../engine/online/view-read.ts';
import { type ConsoleLook, viewIn } from '../console-look.ts';
import { facts, link, part, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownCount, shownSpan } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { entitySample } from '../read/entity-sample.ts';
import type { CatalogView } from '../read/live-catalog.ts';

const SAMPLE = 20;
const VALUE_CHARS = 300;
const MOST_VIEWS = 20;
/** What names of join keys stand under in the address: a key may be called `at`. */
export const KEY = 'key.';

/** One entity: its features now, or by a time, in all views of the same keys. */
export async function entityPage(look: ConsoleLook, name: string, query: URLSearchParams): Promise<ConsolePage> {
  const view = viewIn(look, name);
  const { keys } = view.layout;
  const given = keys.map((key) => query.get(KEY + key.name));
  const at = query.get('at') ?? '';
  const isAsked = given.every((value): value is string => value !== null && value !== '');
  const form = html`<form>${keys.map(({ name: key, type }) => html`<p><label for="key-${key}">${key} (${nameOfType(type)})</label><input id="key-${key}" name="${KEY}${key}" required value="${query.get(KEY + key) ?? ''}"></p>`)}<p><label for="at">at (ISO time; now)</label><input id="at" name="at" value="${at}" placeholder="2026-01-31T12:00:00Z"></p><p><button type="submit">Look</button></p></form>`;
  const body = html`${facts([
    ['entity', link(pathTo('entities', view.layout.entity), view.layout.entity)],
    ['view', link(pathTo('views', name), name)],
  ])}
${form}
${isAsked ? await answerPart(look, view, Object.fromEntries(keys.map((key, index) => [key.name, given[index]!])), at) : await samplePart(look, view)}`;
  return { title: `One ${view.layout.entity} of ${name}`, path: pathTo('views', name, 'entity'), body };
}

async function samplePart({ deps, caller, nowUs }: ConsoleLook, view: CatalogView): Promise<Markup> {
  const same = readAt(nowUs, command('get', view.view, ...view.layout.keys.map(({ name }) => `${name}=…`)));
  if (!caller.readsAll || view.status !== 'live' || view.version === null) return same;
  const sample = await entitySample(deps.pool, view.view, view.version, view.layout.keys, SAMPLE);
  const rows = sample.map((key) => {
    const query = new URLSearchParams(
      view.layout.keys.map(({ name }, index): [string, string] => [KEY + name, key[index] ?? '']),
    );
    return [link(`${pathTo('views', view.view, 'entity')}?${query.toString()}`, key.join(' · '))];
  });
  return part('some', 'Some of them', table(`The first ${SAMPLE} by key, at most`, ['keys'], rows), same);
}

async function answerPart(
  look: ConsoleLook,
  view: CatalogView,
  entity: Readonly<Record<string, string>>,
  at: string,
): Promise<Markup> {
  const words = Object.entries(entity).map(([key, value]) => `${key}=${value}`);
  const timed = at === '' ? [] : ['--at', at];
  const explained = html`${toDo('The tiles and records behind each value, which takes longer than a page may', command('explain', view.view, ...words, ...timed))}
${toDo('The reads of it that were logged are compared with the log by', command('audit', view.view))}`;
  try {
    const atUs = at === '' ? undefined : timeOf(at);
    const others = sameKeys(look, view).filter(({ view: other }) => other !== view.view);
    const parts = await Promise.all(
      [view, ...others].slice(0, MOST_VIEWS).map((one) => readPart(look, one, entity, atUs, timed)),
    );
    const asked = new URLSearchParams(
      Object.entries(entity).map(([key, value]): [string, string] => [KEY + key, value]),
    );
    const requests = `${pathTo('views', view.view, 'requests')}?${asked.toString()}`;
    return html`${parts}<p>${link(requests, 'Who read it in the last 24 hours, and what was decided')}</p>${part('why', 'Why', explained)}`;
  } catch (error) {
    if (!isMillraceError(error) || error.httpStatus >= 500) throw error;
    return html`<p class="bad" role="alert">${error.message}. ${error.remedy}</p>`;
  }
}

/** The views of an entity with the same keys, the one that is asked for first. */
function sameKeys({ views }: ConsoleLook, { layout }: CatalogView): CatalogView[] {
  const told = JSON.stringify([layout.entity, layout.keys]);
  return [...views.values()].filter(
    (other) => other.status === 'live' && JSON.stringify([other.layout.entity, other.layout.keys]) === told,
  );
}

async function readPart(
  { deps, nowUs }: ConsoleLook,
  { view }: CatalogView,
  entity: Readonly<Record<string, string>>,
  atUs: number | undefined,
  timed: readonly string[],
): Promise<Markup> {
  const keys = await deps.store.keysOf(view, [entity], textReading);
  const [read] = await deps.store.get(view, keys, atUs === undefined ? {} : { atUs });
  if (read === undefined) return html``;
  const same = command('get', view, ...Object.entries(entity).map(([key, value]) => `${key}=${value}`), ...timed);
  return part(
    `of-${view}`,
    view,
    facts([
      ['found', read.found ? 'yes' : 'no: never seen, or expired'],
      ['values of', formatDateTime(read.asOfUs)],
      ['last written by commit', shownCount(read.seq)],
      ['view is behind by', read.freshnessUs === null ? '–' : shownSpan(read.freshnessUs)],
    ]),
    read.ahead
      ? html`<p class="warn">Its state has events after that time: this is not what was known then. The explanation is.</p>`
      : '',
    table(`Features of ${view}, version ${read.version}`, ['feature', 'value', 'type'], cellsOf(read)),
    readAt(nowUs, same),
  );
}

function cellsOf({ features, values, errors }: ViewRead) {
  return features.map(({ name, result }, index) => {
    const code = errorOf(errors, name);
    const value =
      code === undefined
        ? shownTree(jsonTree(result, values[index]!), VALUE_CHARS)
        : html`<span class="bad">error: ${code}</span>`;
    return [name, value, html`<code>${nameOfType(result)}</code>`];
  });
}

/** Throws MillraceError `invalid-time`. */
function timeOf(text: string): number {
  const atUs = parseDateTime(text, INSTANT);
  if (Number.isFinite(atUs)) return atUs;
  throw new MillraceError(
    'invalid-time',
    `at: expected an ISO time with its zone, received ${JSON.stringify(text.slice(0, 80))}`,
    {
      remedy: 'Give one like 2026-06-01T12:00:00Z, or none for now.',
    },
  );
}
