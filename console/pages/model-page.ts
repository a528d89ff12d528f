import { html } from 'hono/html';
import { type ModelVersion, modelAliases, modelVersions } from '../../engine/postgres/model-versions.ts';
import { rollouts } from '../../engine/postgres/rollouts.ts';
import { type ConsoleLook, notInConsole } from '../console-look.ts';
import { facts, link, part, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { metricPlots, nullRatePlot } from './model-plots.ts';
import type { BaselineSummary } from '../../engine/monitors/baseline.ts';
import { modelBaseline } from '../../engine/monitors/model-baseline.ts';
import { ifThere } from '../read/if-there.ts';
import { meanOf } from '../read/value-figures.ts';
import { shortened, shownBytes, shownCount, shownFigure, shownShare, shownTime } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';

const MOST_VERSIONS = 50;
const MOST_ROLLOUTS = 20;
const MOST_INPUTS = 300;
const METRIC_CHARS = 60;

/** A model: its versions, what they were trained on, and how they were tried. */
export async function modelPage(look: ConsoleLook, name: string, asked?: string): Promise<ConsolePage> {
  if (!look.models.some(({ model }) => model === name)) notInConsole('model', name);
  const { pool } = look.deps;
  const [versions, aliases, tried] = await Promise.all([
    modelVersions(pool, name, MOST_VERSIONS),
    modelAliases(pool, name),
    rollouts(pool, name, MOST_ROLLOUTS),
  ]);
  const champion = aliases.find(({ alias }) => alias === 'champion')?.version;
  const shown =
    versions.find(({ version }) => String(version) === asked) ??
    versions.find(({ version }) => version === champion) ??
    versions[0];
  const aliasesOf = (version: number): string =>
    aliases
      .filter((one) => one.version === version)
      .map(({ alias }) => alias)
      .join(', ');
  const body = html`<p>${link(pathTo('lineage', 'model', name), 'Lineage')}</p>
${part(
  'versions',
  'Versions',
  table(
    'The newest versions',
    ['version', 'alias', 'state', 'published', 'by', { n: 'size' }, 'metrics'],
    versions.map((version) => [
      link(`${pathTo('models', name)}?version=${version.version}`, String(version.version)),
      aliasesOf(version.version),
      version.state,
      shownTime(version.publishedAtUs),
      version.actor,
      shownBytes(version.sizeBytes),
      metricWords(version),
    ]),
  ),
  readAt(look.nowUs, command('model', 'list', name)),
)}
${shown === undefined ? '' : await versionPart(look, shown, versions)}
${part(
  'rollouts',
  'Rollouts',
  table(
    'The newest rollouts',
    ['started', 'phase', { n: 'stage' }, 'shares', 'ended'],
    tried.map(({ id, phase, stage, variants, startedAtUs, endedAtUs }) => [
      link(pathTo('models', name, 'rollouts', id), shownTime(startedAtUs)),
      phase,
      stage + 1,
      variants
        .map(({ variant, version, share }) => `${variant} (version ${version}) ${Math.round(share * 100)} %`)
        .join(', '),
      endedAtUs === null ? '' : shownTime(endedAtUs),
    ]),
  ),
  readAt(look.nowUs, command('rollout', 'list', name)),
  toDo('Try the challenger', command('rollout', 'start', name)),
)}`;
  return { title: name, path: pathTo('models', name), body };
}

function baselineCells(summary: BaselineSummary | undefined): readonly [string, string] {
  if (summary === undefined || summary.count === 0) return ['–', '–'];
  return [shownShare(summary.values.nulls / summary.count), shownFigure(meanOf(summary))];
}

async function versionPart(
  look: ConsoleLook,
  version: ModelVersion,
  versions: readonly ModelVersion[],
): Promise<Markup> {
  const [baseline] = await ifThere(modelBaseline(look.deps.pool, version).then((one) => (one === null ? [] : [one])));
  const { lineage, service, signature } = version;
  const served = (view: string): string => look.views.get(view)?.fingerprint ?? '';
  return part(
    'trained',
    `What version ${version.version} was trained on`,
    facts([
      ['service', link(pathTo('services', service), service)],
      ['rows', shownCount(lineage.rows)],
      ['mode', lineage.mode],
      ['labels', lineage.labels.join(', ') || 'none'],
      ['training set', html`<code>${lineage.trainingSet}</code>`],
      ['manifest', html`<code>${lineage.manifest}</code>`],
      ['labels file', html`<code>${lineage.spine ?? 'none'}</code>`],
      ['exported by', `Millrace ${lineage.millrace}`],
      ['sha-256', html`<code>${version.sha256}</code>`],
    ]),
    table(
      'Definitions it was exported by',
      ['view', 'fingerprint', 'now'],
      Object.entries(lineage.fingerprints).map(([view, fingerprint]) => [
        look.views.has(view) ? link(pathTo('views', view), view) : view,
        html`<code>${fingerprint.slice(0, 12)}</code>`,
        served(view) === fingerprint ? 'is served' : html`<span class="warn">another is served</span>`,
      ]),
    ),
    table(
      'Metrics',
      ['metric', { n: 'value' }],
      Object.entries(version.metrics ?? {}).map(([metric, value]) => [
        metric,
        typeof value === 'number' ? shownFigure(value) : shortened(String(value), METRIC_CHARS),
      ]),
    ),
    metricPlots(versions, version),
    baseline === undefined ? '' : html`<div class="plots">${nullRatePlot(baseline)}</div>`,
    table(
      `${signature.features.length} columns it takes`,
      ['column', 'type', { n: 'null rate' }, { n: 'mean' }],
      signature.features
        .slice(0, MOST_INPUTS)
        .map(({ column, block, feature, type }) => [
          look.views.get(block)?.layout.features.some((one) => one.name === feature) === true
            ? link(pathTo('views', block, 'features', feature), column)
            : column,
          JSON.stringify(type),
          ...baselineCells(baseline?.get(column)),
        ]),
    ),
    readAt(look.nowUs, command('model', 'show', version.model, '--version', String(version.version))),
    html`<p class="note">Curves of calibration, and what a naive training set would have got wrong, are not kept with a version: the first command draws the one, the second the other.</p>`,
    toDo(
      'What it is worth by its decisions, and its calibration',
      command('evaluate', '--model', version.model, '--from', 'TIME', '--to', 'TIME', '--html', 'FILE'),
    ),
    toDo(
      'Its training set beside a naive one',
      command('export', '--service', service, '--spine', 'FILE', '--out', 'FILE', '--compare'),
    ),
  );
}

function metricWords({ metrics }: ModelVersion): string {
  return Object.entries(metrics ?? {})
    .slice(0, 3)
    .map(
      ([metric, value]) =>
        `${metric} ${typeof value === 'number' ? shownFigure(value) : shortened(String(value), METRIC_CHARS)}`,
    )
    .join(', ');
}
