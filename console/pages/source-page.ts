import { html } from 'hono/html';
import { formatDuration } from '../../engine/define/duration.ts';
import { aboutIn, type ConsoleLook, notInConsole } from '../console-look.ts';
import { type FieldReader, type FieldUse, type ReadingView, readersOf } from '../lineage/field-readers.ts';
import { aboutPart, facts, link, list, part, pathTo, readAt, table, type Shown } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownShare } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { newestBuckets } from '../read/monitor-series.ts';
import { readersOfView } from '../read/reading-models.ts';
import { typeWords } from '../read/type-words.ts';
import { coverageOf } from '../read/value-figures.ts';
import { valuesPart } from './monitor-part.ts';
import { recordsPart } from './records-part.ts';

const MOST = 500;
const USES: Readonly<Record<FieldUse, string>> = {
  reads: 'reads it',
  observed: 'observed to read it',
  names: 'its code names it',
};

/** A source: what its records are, who reads it, and what breaks if a field of it goes. */
export async function sourcePage(look: ConsoleLook, name: string, field?: string): Promise<ConsolePage> {
  if (!look.sources.includes(name)) notInConsole('source', name);
  const source = look.deps.definitions.sources.get(name);
  const views = [...look.views.values()].filter((view) => view.source === name);
  const topic = source?.topic ?? views[0]?.topic ?? null;
  const known: readonly (readonly [string, Shown])[] =
    source === undefined
      ? []
      : [
          ['event time', html`<code>${source.eventTimeField}</code>`],
          ['event id', source.eventIdField === null ? 'none' : html`<code>${source.eventIdField}</code>`],
          ['history', source.history === null ? 'none' : html`<code>${source.history.path}</code>`],
          ['ids are remembered', formatDuration(source.dedupeHorizonUs)],
          ['sensitive fields', (source.sensitive ?? []).join(', ') || 'none'],
        ];
  const fields = source?.contract.fields ?? [];
  const covered = await newestBuckets(look.deps.pool, 'source', name);
  const coverage = new Map(covered.map((bucket) => [bucket.field, coverageOf(bucket)]));
  // Values of raw records are for who reads all.
  const isShown = field !== undefined && look.caller.readsAll && fields.some((one) => one.name === field);
  const isHushed = source === undefined || (source.sensitive ?? []).length > 0;
  const href = (of: string): string => `${pathTo('sources', name)}?field=${encodeURIComponent(of)}#goes`;
  const body = html`${aboutPart(aboutIn(look, 'source', name))}
${facts([
  ['topic', topic ?? 'none'],
  ...known,
  ['read by views', list(views.map(({ view }) => link(pathTo('views', view), view)))],
])}
<p>${link(pathTo('lineage', source?.says === 'decisions' ? 'decisions' : 'source', name), 'Lineage')}</p>
${source === undefined ? html`<p class="dim">No definition at hand has this source: its fields are not known.</p>` : ''}
${part(
  'fields',
  'Fields',
  table(
    'The contract',
    ['field', 'type', 'nulls', { n: 'coverage' }, 'if it goes'],
    fields
      .slice(0, MOST)
      .map((one) => [
        html`<code>${one.name}</code>`,
        html`<code>${typeWords(one)}</code>`,
        one.nullable ? 'may be null' : '',
        shownShare(coverage.get(one.name) ?? null),
        link(href(one.name), 'what breaks, and its values'),
      ]),
  ),
  readAt(look.nowUs, command('schema', name)),
)}
${await recordsPart(look, name)}
${isShown ? await valuesPart(look, { place: 'source', object: name, field }, isHushed) : ''}
${
  field === undefined
    ? ''
    : goesPart(
        look,
        name,
        field,
        fields.some((one) => one.name === field),
      )
}`;
  return { title: name, path: pathTo('sources', name), body };
}

/** What breaks if a field goes. */
function goesPart(look: ConsoleLook, source: string, field: string, isThere: boolean): Markup {
  if (!isThere) return part('goes', 'If a field goes', html`<p>The source has no field <code>${field}</code>.</p>`);
  const { features, wholes } = readersOf(readingViews(look, source), field);
  const touched = [...new Set([...features, ...wholes].map(({ view }) => view))];
  const readers = touched.map((view) => readersOfView(look, view));
  const services = [...new Set(readers.flatMap((one) => one.services))];
  const models = [...new Set(readers.flatMap((one) => one.models))];
  const own = look.deps.definitions.sources.get(source);
  const roles = [
    own?.eventTimeField === field ? 'the event time' : '',
    own?.eventIdField === field ? 'the event id' : '',
  ].filter((role) => role !== '');
  const row = ({ view, feature, use }: FieldReader): readonly Shown[] => [
    link(pathTo('views', view, 'features', feature), `${view}.${feature}`),
    USES[use],
  ];
  return part(
    'goes',
    `If ${field} goes`,
    roles.length === 0 ? '' : html`<p class="bad">It is ${roles.join(' and ')}: every view of this source breaks.</p>`,
    table(
      'Views that break as a whole',
      ['view', 'how'],
      wholes.map(({ view, as }) => [
        link(pathTo('views', view), view),
        as === 'key' ? 'its join keys are of it' : 'its where reads it',
      ]),
    ),
    table(`${features.length} features`, ['feature', 'how'], features.slice(0, MOST).map(row)),
    facts([
      ['services that break', list(services.map((service) => link(pathTo('services', service), service)))],
      ['models that break', list(models.map((model) => link(pathTo('models', model), model)))],
    ]),
    html`<p class="note">“Observed” is what functions asked sampled rows for when the version was begun: a branch that no sampled row takes is not seen. Where that was not noted, code that names the field counts, and a view’s own <code>where</code> and <code>key</code> are not looked into.</p>`,
  );
}

/** The views of a source as they are served, or else defined. */
function readingViews({ deps, views }: ConsoleLook, source: string): ReadingView[] {
  return [...views.values()]
    .filter((view) => view.source === source)
    .map(({ view, layout, fingerprint, observed }) => {
      const compiled = deps.definitions.views.get(view);
      const isAtHand = compiled !== undefined && compiled.fingerprint === fingerprint;
      return { view, layout, observed, inputs: isAtHand ? (compiled.featureInputs ?? null) : null };
    });
}
