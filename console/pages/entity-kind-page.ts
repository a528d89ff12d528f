import { html } from 'hono/html';
import { nameOfType } from '../../engine/values/type-name.ts';
import { aboutIn, type ConsoleLook, notInConsole } from '../console-look.ts';
import { aboutPart, link, pathTo, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import type { ConsolePage } from '../page.ts';

const MOST = 200;

/** What features are about: its keys, and the views of it. */
export function entityKindPage(look: ConsoleLook, name: string): ConsolePage {
  const views = [...look.views.values()].filter(({ layout }) => layout.entity === name);
  if (views.length === 0) notInConsole('entity', name);
  const rows = views
    .slice(0, MOST)
    .map(({ view, layout, source, status }) => [
      link(pathTo('views', view), view),
      layout.keys.map((key) => `${key.name}: ${nameOfType(key.type)}`).join(', '),
      link(pathTo('sources', source), source),
      layout.features.length,
      status,
      link(pathTo('views', view, 'entity'), 'look at one'),
    ]);
  const body = html`${aboutPart(aboutIn(look, 'entity', name))}
${table('Views of it', ['view', 'keys', 'source', { n: 'features' }, 'state', 'one of them'], rows)}
${readAt(look.nowUs, command('list', 'entities'))}`;
  return { title: name, path: pathTo('entities', name), body };
}
