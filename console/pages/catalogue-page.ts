import { html, raw } from 'hono/html';
import type { ConsoleLook } from '../console-look.ts';
import { link, pageOf, pager, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shortened, shownCount } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { catalogueOf, ENTRY_KINDS, found } from '../read/catalogue.ts';

const ROWS = 100;
const SHOWN_CHARS = 160;

/** What was asked for. */
export interface CatalogueAsk {
  readonly search: string;
  readonly kind: string | undefined;
  readonly page: string | undefined;
}

/** All there is, to be searched. */
export function cataloguePage(look: ConsoleLook, { search, kind, page }: CatalogueAsk): ConsolePage {
  const all = found(catalogueOf(look), search, kind);
  const shown = pageOf(all, page, ROWS);
  const query = new URLSearchParams({ q: search, ...(kind === undefined ? {} : { kind }) });
  const options = ENTRY_KINDS.map(
    (one) => html`<option value="${one}"${one === kind ? raw(' selected') : ''}>${one}</option>`,
  );
  const rows = shown.rows.map(({ kind: own, name, href, detail, about }) => [
    link(href, name),
    own,
    detail,
    shortened(about?.description ?? '', SHOWN_CHARS),
    about?.owner ?? '',
    (about?.tags ?? []).join(', '),
  ]);
  const body = html`<form action="/console/catalogue"><p><label for="search">Words in name, description, owner or tags</label><input id="search" name="q" type="search" value="${search}"></p>
<p><label for="kind">Kind</label><select id="kind" name="kind"><option value="">all</option>${options}</select></p><p><button type="submit">Search</button></p></form>
<p aria-live="polite">${shownCount(all.length)} found</p>
${table('Found', ['name', 'kind', 'what', 'description', 'owner', 'tags'], rows)}
${pager('what was found', query, shown.page, shown.pages)}
${readAt(look.nowUs, command('list', 'views'))}`;
  return { title: 'Catalogue', path: '/console/catalogue', body };
}
