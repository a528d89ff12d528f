import { html, raw } from 'hono/html';
import type { About } from '../../engine/define/about.ts';
import type { Markup } from '../page.ts';
import { shownTime } from './shown.ts';

/** What a cell shows: a text, which is escaped, or markup. */
export type Shown = string | number | Markup;

/** A column of a table; `n`: of numbers. */
export type Column = string | { readonly n: string };

/** A table under a caption that names it. It scrolls by itself where the page is narrow. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Shown[])[]): Markup {
  if (rows.length === 0) return html`<p class="dim">${caption}: none</p>`;
  const isNumber = columns.map((column) => typeof column !== 'string');
  const head = columns.map((column) =>
    typeof column === 'string'
      ? html`<th scope="col">${column}</th>`
      : html`<th scope="col" class="n">${column.n}</th>`,
  );
  const lines = rows.map((cells) => {
    const shown = cells.map((cell, index) => {
      if (index === 0) return html`<th scope="row">${cell}</th>`;
      return isNumber[index] ? html`<td class="n">${cell}</td>` : html`<td>${cell}</td>`;
    });
    return html`<tr>${shown}</tr>`;
  });
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>${lines}</tbody></table></div>`;
}

/** Words, and what each stands for. */
export function facts(rows: readonly (readonly [word: string, shown: Shown])[]): Markup {
  return html`<dl>${rows.map(([word, shown]) => html`<dt>${word}</dt><dd>${shown}</dd>`)}</dl>`;
}

/** A heading with what stands below it, where one can link to it. */
export function part(id: string, heading: string, ...body: readonly Shown[]): Markup {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${heading}</h2>${body}</section>`;
}

/** When figures were read, and the command that prints the same. */
export function readAt(us: number, command: string | null): Markup {
  const same = command === null ? '' : html` · the same: <code>${command}</code>`;
  return html`<p class="note">read at ${shownTime(us)}${same}</p>`;
}

/** A command to run. */
export function toDo(what: string, command: string): Markup {
  return html`<p>${what}: <code>${command}</code></p>`;
}

/** A link within the console; segments of its path are escaped by `pathTo`. */
export function link(href: string, text: string): Markup {
  return html`<a href="${href}">${text}</a>`;
}

/** A path whose segments may be any text. */
export function pathTo(...segments: readonly string[]): string {
  return `/console/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`;
}

/** Markup side by side. */
export function list(parts: readonly Shown[], none = 'none'): Markup {
  if (parts.length === 0) return html`<span class="dim">${none}</span>`;
  return html`${parts.map((one, index) => html`${index === 0 ? '' : ', '}${one}`)}`;
}

/** What people were told of a definition. */
export function aboutPart(about: About | undefined): Markup {
  if (about === undefined) return html`<p class="dim">It has no description.</p>`;
  const { description, owner, tags = [] } = about;
  const words =
    tags.length === 0 ? '' : html`<ul class="tags" aria-label="Tags">${tags.map((tag) => html`<li>${tag}</li>`)}</ul>`;
  return html`${description === undefined ? '' : html`<p>${description}</p>`}${owner === undefined ? '' : html`<p class="dim">owner: ${owner}</p>`}${words}`;
}

/** Numbers that stand out. */
export function tiles(rows: readonly (readonly [figure: Shown, word: string])[]): Markup {
  return html`<ul class="tiles">${rows.map(([figure, word]) => html`<li><b>${figure}</b>${word}</li>`)}</ul>`;
}

/** Links to the pages before and after. */
export function pager(of: string, query: URLSearchParams, page: number, pages: number): Markup {
  if (pages <= 1) return html``;
  const to = (n: number, text: string, rel: string): Markup => {
    const asked = new URLSearchParams(query);
    asked.set('page', String(n));
    return html`<a rel="${rel}" href="?${raw(asked.toString().replaceAll('&', '&amp;'))}">${text}</a> `;
  };
  return html`<nav aria-label="Pages of ${of}">${page > 1 ? to(page - 1, 'Before', 'prev') : ''}page ${page} of ${pages} ${page < pages ? to(page + 1, 'After', 'next') : ''}</nav>`;
}

/** A part of a list, by the number of its page from 1. A number that is none is the first, or the last. */
export function pageOf<Row>(
  rows: readonly Row[],
  asked: string | undefined,
  size: number,
): { readonly rows: readonly Row[]; readonly page: number; readonly pages: number } {
  const pages = Math.max(1, Math.ceil(rows.length / size));
  const page = Math.min(pages, Math.max(1, Math.floor(Number(asked ?? 1)) || 1));
  return { rows: rows.slice((page - 1) * size, page * size), page, pages };
}
