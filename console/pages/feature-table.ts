import { html } from 'hono/html';
import { windowText } from '../../engine/define/duration.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import type { ConsoleLook } from '../console-look.ts';
import { link, pageOf, pager, pathTo, table } from '../markup/parts.ts';
import { shortened } from '../markup/shown.ts';
import type { Markup } from '../page.ts';
import { inputsOf } from '../read/feature-inputs.ts';
import type { CatalogView } from '../read/live-catalog.ts';

const ROWS = 100;
const SHOWN_CHARS = 80;

/** The features of a view, page by page. */
export function featureTable(look: ConsoleLook, view: CatalogView, page: string | undefined): Markup {
  const shown = pageOf(view.layout.features, page, ROWS);
  const rows = shown.rows.map((feature) => [
    link(pathTo('views', view.view, 'features', feature.name), feature.name),
    feature.aggregate,
    feature.aggregate === 'derived' ? '' : windowText(feature.windowUs, feature.agoUs),
    html`<code>${nameOfType(feature.result)}</code>`,
    feature.nullable ? 'may be null' : '',
    html`<code>${shortened(inputsOf(look, view, feature.name)?.value ?? '', SHOWN_CHARS)}</code>`,
  ]);
  return html`${table(`${view.layout.features.length} features`, ['feature', 'aggregate', 'window', 'type', 'nulls', 'made of'], rows)}${pager('the features', new URLSearchParams(), shown.page, shown.pages)}`;
}
