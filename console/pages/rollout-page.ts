import { html } from 'hono/html';
import { rolloutBreach, rolloutLook } from '../../engine/postgres/rollout-evidence.ts';
import { rolloutById, rolloutRevisions } from '../../engine/postgres/rollouts.ts';
import type { Judgement, TellableInterval } from '../../engine/rollouts/judgement.ts';
import type { RolloutRule } from '../../engine/rollouts/rollout-rule.ts';
import { type ConsoleLook, notInConsole } from '../console-look.ts';
import { linePlot } from '../markup/line-plot.ts';
import { type PlotRange, rangePlot } from '../markup/range-plot.ts';
import { facts, link, part, pathTo, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownCount, shownFigure, shownTime } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { workflowPart } from '../workflow-links.ts';

const MOST_REVISIONS = 200;

/** A rollout: its course, and what the evidence says. */
export async function rolloutPage(look: ConsoleLook, model: string, id: string): Promise<ConsolePage> {
  if (!look.models.some((one) => one.model === model)) notInConsole('model', model);
  const { pool, installation } = look.deps;
  const [rollout, revisions, seen, breach] = await Promise.all([
    rolloutById(pool, id),
    rolloutRevisions(pool, id),
    rolloutLook<RolloutRule, Judgement>(pool, id),
    rolloutBreach(pool, id),
  ]);
  if (rollout === null || rollout.model !== model) notInConsole('rollout', id);
  const recent = revisions.slice(-MOST_REVISIONS);
  const course = recent.map(({ atUs, variants }) => ({ us: atUs, value: variants[0]?.share ?? null }));
  const newest = course.at(-1);
  const until = rollout.endedAtUs ?? look.nowUs;
  const drawn = newest === undefined ? [] : [...course, { us: Math.max(until, newest.us), value: newest.value }];
  const body = html`${facts([
    ['model', link(pathTo('models', model), model)],
    ['phase', rollout.phase],
    ['stage', String(rollout.stage + 1)],
    ['mode', rollout.mode],
    ['shadow', rollout.shadow ? 'yes: nothing is done of it' : 'no'],
    [
      'variants',
      rollout.variants
        .map(({ variant, version, share }) => `${variant} (version ${version}) ${Math.round(share * 100)} %`)
        .join(', '),
    ],
    ['started', shownTime(rollout.startedAtUs)],
    ['ended', rollout.endedAtUs === null ? 'no' : shownTime(rollout.endedAtUs)],
  ])}
${breach === null ? '' : html`<p class="bad">A guardrail was breached: ${breach.why}</p>`}
${readAt(look.nowUs, command('rollout', 'show', model))}
${workflowPart(look.deps, installation.rolloutId(model), 'Its report', command('rollout', 'report', model))}
${part(
  'course',
  'Course',
  linePlot("the candidate's share", drawn, { shown: (value) => `${Math.round(value * 100)} %` }),
  table(
    'States it had',
    ['revision', 'when', 'who', 'stage', 'shares', 'why'],
    recent.map(({ revision, atUs, actor, stage, variants, why }) => [
      revision,
      shownTime(atUs),
      actor,
      stage + 1,
      variants.map(({ variant, share }) => `${variant} ${Math.round(share * 100)} %`).join(', '),
      why,
    ]),
  ),
)}
${part('evidence', 'Evidence', seen === null ? html`<p class="dim">Nobody has looked yet.</p>` : evidencePart(seen.judgement), seen === null ? '' : readAt(seen.lookedAtUs, command('rollout', 'report', model)))}`;
  return { title: `Rollout of ${model}`, path: pathTo('models', model, 'rollouts', id), body };
}

function evidencePart({ stages, combined, segments, labels, lacks, isBetter, isWorse }: Judgement): Markup {
  const ranges = [
    ...stages.flatMap(({ stage, difference }) => ranged(`stage ${stage + 1}`, difference)),
    ...ranged('all', combined),
  ];
  const bySegment = segments.flatMap(({ segment, difference }) => ranged(segment, difference));
  return html`${facts([
    ['so far', isBetter ? 'better' : isWorse ? 'worse' : 'not told apart'],
    [
      'labels',
      `${shownCount(labels.mature)} final, ${shownCount(labels.immature)} not yet, of ${shownCount(labels.decisions)} decisions`,
    ],
    ['missing', lacks ?? 'nothing'],
  ])}
<div class="plots">${rangePlot('The candidate less the other', ranges)}${rangePlot('By segment, each read by itself', bySegment)}</div>
${table(
  'Stages',
  ['stage', { n: 'candidate' }, { n: 'against' }, { n: 'difference' }, 'interval', { n: 'units' }],
  stages.map(({ stage, candidateMean, againstMean, difference, units }) => [
    `stage ${stage + 1}`,
    shownFigure(candidateMean),
    shownFigure(againstMean),
    shownFigure(difference?.value ?? null),
    difference === null ? '–' : `${shownFigure(difference.low)} to ${shownFigure(difference.high)}`,
    shownCount(units),
  ]),
)}`;
}

function ranged(name: string, interval: TellableInterval | null): PlotRange[] {
  if (interval === null || interval.low === null || interval.high === null) return [];
  return [{ name, value: interval.value, low: interval.low, high: interval.high }];
}
