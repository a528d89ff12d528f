import type { HtmlEscapedString } from 'hono/utils/html';
import { html, raw } from 'hono/html';
import { STYLE, STYLE_PATH } from './style.ts';

/** HTML, its values escaped. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;

/** A page of the console, without what stands around all of them. */
export interface ConsolePage {
  /** Also its one heading of the first level. */
  readonly title: string;
  /** Where it is: `/console/views/route_delays`. Reports link by it. */
  readonly path: string;
  readonly body: Markup;
}

const SECTIONS = [
  ['/console', 'Overview'],
  ['/console/catalogue', 'Catalogue'],
  ['/console/lineage', 'Lineage'],
  ['/console/training', 'Models'],
  ['/console/alerts', 'Alerts'],
] as const;

/** What stands around a page. */
export interface PageFrame {
  readonly installation: string;
  /** Whether whoever looks can leave again. */
  readonly hasSession: boolean;
  /** What was looked for. */
  readonly search?: string | undefined;
}

/** A page as it is sent. */
export function framedPage(
  { title, path, body }: ConsolePage,
  { installation, hasSession, search }: PageFrame,
): Markup {
  const links = SECTIONS.map(([href, name]) => {
    const isHere = href === '/console' ? path === href : path.startsWith(href);
    return html`<li><a href="${href}"${isHere ? raw(' aria-current="page"') : ''}>${name}</a></li>`;
  });
  const leave = hasSession
    ? html`<form method="post" action="/console/logout"><button type="submit">Leave</button></form>`
    : '';
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Millrace</title>
<link rel="stylesheet" href="${STYLE_PATH}">
<link rel="icon" href="data:,">
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<p class="brand"><a href="/console">Millrace</a>${installation === 'default' ? '' : html` <span class="dim">${installation}</span>`}</p>
<nav aria-label="Console"><ul>${links}</ul></nav>
<form role="search" action="/console/catalogue"><label for="q" class="hidden">Search the catalogue</label>
<input id="q" name="q" type="search" placeholder="Search" value="${search ?? ''}"><button type="submit">Search</button></form>${leave}
</header>
<main id="main" tabindex="-1">
<h1>${title}</h1>
${body}
</main>
<footer>Nothing here changes anything: what is to be done is a command, or opens in Temporal.</footer>
</body>
</html>
`;
}

/** Pages as one file that needs nothing beside itself: links to pages that are in it lead there, all others are text. */
export async function printedPages(
  heading: string,
  lines: readonly string[],
  pages: readonly ConsolePage[],
): Promise<string> {
  const anchors = new Map(pages.map(({ path }, index) => [path, `page-${index + 1}`]));
  const sections = await Promise.all(
    pages.map(
      async ({ title, path, body }) =>
        html`<section class="page" id="${anchors.get(path)}"><h2 class="title">${title}</h2>${raw(linkedWithin(String(await body), anchors, anchors.get(path)!))}</section>`,
    ),
  );
  const contents = pages.map(({ title, path }) => html`<li><a href="#${anchors.get(path)}">${title}</a></li>`);
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${heading}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main id="main">
<h1>${heading}</h1>
${lines.map((line) => html`<p>${line}</p>`)}
<nav aria-label="Contents"><ol>${contents}</ol></nav>
${sections}
</main>
</body>
</html>
`;
  return String(page);
}

/** Attributes are escaped where they are made: a quote in a value is none of HTML's. Forms lead nowhere from a file. */
function linkedWithin(body: string, anchors: ReadonlyMap<string, string>, own: string): string {
  return body
    .replaceAll(/<form[\s\S]*?<\/form>/g, '')
    .replaceAll(/ (id|aria-labelledby)="([^"]*)"/g, ` $1="${own}-$2"`)
    .replaceAll(/ href="((?:\/console|\?)[^"]*)"/g, (_, path: string) => {
      const anchor = anchors.get(path);
      return anchor === undefined ? '' : ` href="#${anchor}"`;
    });
}
