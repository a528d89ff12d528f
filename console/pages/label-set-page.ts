import { html } from 'hono/html';
import { listLabelSets } from '../../engine/define/list-definitions.ts';
import { aboutIn, type ConsoleLook, notInConsole } from '../console-look.ts';
import { aboutPart, facts, link, pathTo, readAt } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import type { ConsolePage } from '../page.ts';

/** A label set: how outcomes become labels of decisions. */
export function labelSetPage(look: ConsoleLook, name: string): ConsolePage {
  const compiled = look.labelSets.find((one) => one.name === name) ?? notInConsole('label set', name);
  const [row] = listLabelSets(new Map([[name, compiled]]));
  const body = html`${aboutPart(aboutIn(look, 'label set', name))}
<p>${link(pathTo('lineage', 'label set', name), 'Lineage')}</p>
${facts([
  ['decisions', link(pathTo('sources', compiled.decisions.name), compiled.decisions.name)],
  ['outcomes', link(pathTo('sources', compiled.outcomes.name), compiled.outcomes.name)],
  ['joined by', row!.joinedBy],
  ['final after', row!.matureAfter],
  ['paired within', row!.horizon],
  ['several become one by', row!.reduce],
  ['where nothing came', JSON.stringify(row!.absent)],
  ['known at', row!.knownAt ?? "the outcome's own record"],
  ['tag', html`<code>${row!.tag}</code>`],
])}
${readAt(look.nowUs, command('list', 'label-sets'))}`;
  return { title: name, path: pathTo('label-sets', name), body };
}
