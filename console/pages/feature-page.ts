import { html } from 'hono/html';
import { sensitiveParts } from '../../engine/define/sensitive-view.ts';
import { windowText } from '../../engine/define/duration.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { type ConsoleLook, notInConsole, viewIn } from '../console-look.ts';
import { facts, link, list, part, pathTo, readAt, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import type { ConsolePage } from '../page.ts';
import { inputsOf } from '../read/feature-inputs.ts';
import { readersOfView } from '../read/reading-models.ts';
import { baselinePart } from './baseline-part.ts';
import { valuesPart } from './monitor-part.ts';

/** A feature: how it is made, and who reads it. */
export async function featurePage(look: ConsoleLook, name: string, featureName: string): Promise<ConsolePage> {
  const view = viewIn(look, name);
  const feature =
    view.layout.features.find((one) => one.name === featureName) ?? notInConsole('feature', `${name}.${featureName}`);
  const inputs = inputsOf(look, view, featureName);
  const readers = readersOfView(look, name);
  const compiled = look.deps.definitions.views.get(name);
  // Of which features the values are sensitive is the definition's to say.
  const isHushed = compiled === undefined || sensitiveParts(compiled).any;
  const code = (text: string | null | undefined) => (text == null ? 'nothing' : html`<code>${text}</code>`);
  const body = html`${facts([
    ['view', link(pathTo('views', name), name)],
    ['aggregate', feature.aggregate],
    ['window', feature.aggregate === 'derived' ? 'when it is read' : windowText(feature.windowUs, feature.agoUs)],
    ['type', html`<code>${nameOfType(feature.result)}</code>`],
    ['may be null', feature.nullable ? 'yes' : 'no'],
    [
      'in place of null',
      feature.default === undefined ? 'nothing' : html`<code>${JSON.stringify(feature.default)}</code>`,
    ],
    ['tag', html`<code>${view.tags?.[featureName] ?? 'none'}</code>`],
    ['services', list(readers.services.map((service) => link(pathTo('services', service), service)))],
    ['models', list(readers.models.map((model) => link(pathTo('models', model), model)))],
  ])}
${readAt(look.nowUs, command('status', name))}
${part(
  'made',
  'What it is made of',
  inputs === null
    ? html`<p class="dim">The definition at hand is not the one that is served: nobody tells what it is made of.</p>`
    : facts([
        ['value', code(inputs.value)],
        ['only where', code(inputs.condition)],
        ['by', code(inputs.category)],
        ['ordered by', code(inputs.order)],
      ]),
)}
${await valuesPart(look, { place: 'store', object: name, field: featureName }, isHushed)}
${await baselinePart(look, view, featureName, isHushed)}
${part('explain', 'Why a value is what it is', toDo('The tiles and records behind it, of one entity', command('explain', name, ...view.layout.keys.map(({ name: key }) => `${key}=…`))))}`;
  return { title: `${name}.${featureName}`, path: pathTo('views', name, 'features', featureName), body };
}
