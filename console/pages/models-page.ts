import { html } from 'hono/html';
import { modelAliases } from '../../engine/postgres/model-versions.ts';
import type { ConsoleLook } from '../console-look.ts';
import { link, pageOf, pager, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { ifThere } from '../read/if-there.ts';

const ROWS = 100;

/** All models, and which version is the champion. */
export async function modelsPage(look: ConsoleLook, page?: string): Promise<ConsolePage> {
  const aliases = await ifThere(modelAliases(look.deps.pool));
  const shown = pageOf(look.models, page, ROWS);
  const aliasOf = (model: string, alias: string): string | number =>
    aliases.find((one) => one.model === model && one.alias === alias)?.version ?? '–';
  const rows = shown.rows.map(({ model, version, service, publishedAtUs }) => [
    link(pathTo('models', model), model),
    link(pathTo('services', service), service),
    version,
    aliasOf(model, 'champion'),
    aliasOf(model, 'challenger'),
    shownTime(publishedAtUs),
  ]);
  const body = html`<p>Training sets are told with the models that were trained on them.</p>
${table('Models', ['model', 'service', { n: 'newest' }, { n: 'champion' }, { n: 'challenger' }, 'published'], rows)}
${pager('the models', new URLSearchParams(), shown.page, shown.pages)}
${readAt(look.nowUs, command('model', 'list'))}
${toDo('Write a training set', command('export', '--service', 'SERVICE', '--spine', 'FILE', '--out', 'FILE'))}
${toDo('Compare it with a naive one, of what stood last', command('export', '--service', 'SERVICE', '--spine', 'FILE', '--out', 'FILE', '--compare'))}`;
  return { title: 'Models', path: '/console/training', body };
}
