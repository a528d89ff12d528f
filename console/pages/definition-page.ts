import { html } from 'hono/html';
import { parseBundle } from '../../engine/bundles/view-bundle.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { type ConsoleLook, viewIn } from '../console-look.ts';
import { facts, link, part, pathTo, readAt } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { bundleText } from '../read/bundle-text.ts';

/** The code of what is served, as it was written when it was applied. */
export async function definitionPage(look: ConsoleLook, name: string): Promise<ConsolePage> {
  const { fingerprint } = viewIn(look, name);
  const text = await bundleText(look.deps.pool, fingerprint);
  const body = html`${facts([
    ['view', link(pathTo('views', name), name)],
    ['fingerprint', html`<code>${fingerprint}</code>`],
  ])}
${text === null ? html`<p>Its code is not kept: it was never applied. The folder of definitions has it.</p>` : codeOf(text)}
${readAt(look.nowUs, command('bundle', 'show', name))}`;
  return { title: `Definition of ${name}`, path: pathTo('views', name, 'definition'), body };
}

function codeOf(text: string): Markup {
  try {
    const { modules, entry, packages } = parseBundle(text);
    const own = modules.toSorted((a, b) => Number(b.path === entry.path) - Number(a.path === entry.path));
    return html`${facts([
      ['export', html`<code>${entry.exportName}</code> of <code>${entry.path}</code>`],
      ['packages', packages.names.length === 0 ? 'none' : packages.names.join(', ')],
    ])}${own.map(({ path, text: code }, index) => part(`module-${index + 1}`, path, html`<pre tabindex="0" role="region" aria-label="${path}"><code>${code}</code></pre>`))}`;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return html`<p class="warn">Its code cannot be shown: ${error.message}. ${error.remedy}</p>`;
  }
}
