import { html } from 'hono/html';
import { serviceVersions } from '../../engine/postgres/service-versions.ts';
import { aboutIn, type ConsoleLook, notInConsole } from '../console-look.ts';
import { aboutPart, link, list, part, pathTo, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { ifThere } from '../read/if-there.ts';

const MOST_VERSIONS = 20;
const UNDEFINED = { blocks: [], request: [], derived: [] } as const;

/** A feature service: what a model reads. */
export async function servicePage(look: ConsoleLook, name: string): Promise<ConsolePage> {
  const versions = await ifThere(serviceVersions(look.deps.pool, name));
  const models = look.models.filter((one) => one.service === name);
  // A model may be trained on one that the definitions at hand do not have any more.
  const service =
    look.services.find((one) => one.service === name) ??
    (models.length > 0 ? UNDEFINED : notInConsole('service', name));
  const body = html`${aboutPart(aboutIn(look, 'feature service', name))}
<p>${link(pathTo('lineage', 'service', name), 'Lineage')}</p>
${service === UNDEFINED ? html`<p class="warn">No definition at hand has this service.</p>` : ''}
${part(
  'reads',
  'What it reads',
  table(
    'Views, plain or in roles',
    ['read as', 'view', 'keys', { n: 'features' }],
    service.blocks.map(({ name: block, view, keys }) => [
      block,
      look.views.has(view) ? link(pathTo('views', view), view) : view,
      Object.entries(keys)
        .map(([key, column]) => (key === column ? key : `${key} by ${column}`))
        .join(', '),
      look.views.get(view)?.layout.features.length ?? '–',
    ]),
  ),
  table(
    'What it asks of its callers',
    ['field', 'type', 'nulls'],
    service.request.map(({ name: field, type, nullable, optional }) => [
      field,
      type,
      optional ? 'may be left out' : nullable ? 'may be null' : '',
    ]),
  ),
  table(
    'What it derives',
    ['feature', 'type'],
    service.derived.map(({ name: feature, type }) => [feature, type]),
  ),
  readAt(look.nowUs, command('list', 'services')),
)}
${part('models', 'Models on it', html`<p>${list(models.map(({ model }) => link(pathTo('models', model), model)))}</p>`)}
${part(
  'versions',
  'Versions',
  table(
    'The newest versions',
    ['version', 'state', 'applied', 'by'],
    versions
      .slice(0, MOST_VERSIONS)
      .map(({ version, missing, appliedAtUs, actor }) => [
        version,
        missing.length === 0 ? 'served, or could be' : `not served: ${missing.join(', ')}`,
        shownTime(appliedAtUs),
        actor,
      ]),
  ),
  readAt(look.nowUs, command('versions', name)),
)}`;
  return { title: name, path: pathTo('services', name), body };
}
