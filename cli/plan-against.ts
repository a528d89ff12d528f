import type { Definitions } from '../engine/define/compiled-view.ts';
import type { Environment } from '../config/environment.ts';
import type { DefinitionDifference } from '../engine/versions/compare-definitions.ts';
import type { ExpectedWork } from '../engine/versions/expected-work.ts';
import { type PlannedView, planAgainstLive } from '../engine/versions/plan-against-live.ts';
import { withDiffContext } from './diff-context.ts';
import { count, type Output } from './output.ts';
import { printDiff } from './print-diff.ts';

/** `millrace plan --against live`: what the definitions would change, before anything is done. */
export async function planAgainst(
  env: Environment,
  output: Output,
  definitions: Definitions,
  entities: number | undefined,
): Promise<void> {
  await withDiffContext(env, definitions, async (context) => {
    const planned = await planAgainstLive({
      ...context,
      definitions,
      entities,
      onProgress: (view, done, total) =>
        output.progress(
          `${view}: reading the log: ${count(done)}${total === null ? '' : ` of ${count(total)}`} records`,
        ),
    });
    if (output.isJson) output.json(planned);
    for (const view of planned) printPlanned(output, view);
    const changed = planned.filter(({ change }) => change === 'changed').length;
    output.line(
      `${planned.length === 1 ? '1 view' : `${planned.length} views`}: ${changed} changed, ${planned.filter(({ change }) => change === 'new').length} new, ${planned.filter(({ change }) => change === 'retired').length} retired; nothing was done`,
    );
  });
}

/** One view of the plan, for people. */
export function printPlanned(output: Output, planned: PlannedView): void {
  const { view, change, live, fingerprint, difference, expected, sample, notCompared } = planned;
  const named = live === null ? '' : `version ${live.version} (${live.fingerprint.slice(0, 12)})`;
  const head: Readonly<Record<PlannedView['change'], string>> = {
    new: 'NEW: nothing is live',
    unchanged: `unchanged: ${named} is this definition`,
    upgrading: `UPGRADING: ${named} is this definition by earlier semantics of the engine; its lifecycle builds the next version by itself`,
    changed: `CHANGED: ${named} is live, and this is ${fingerprint?.slice(0, 12) ?? ''}`,
    retired: `RETIRED: ${named} is live, and the definitions have it no more; it is served until "millrace retire ${view}"`,
  };
  output.line(`${view}  ${head[change]}`);
  if (difference !== null) for (const line of differenceLines(difference)) output.line(`  ${line}`);
  if (expected !== null) output.line(`  expected ${expectedText(expected)}`);
  if (notCompared !== null) output.line(`  sample   not compared: ${notCompared.code}: ${notCompared.message}`);
  if (sample !== null) printDiff(output, sample);
  output.line();
}

function differenceLines(difference: DefinitionDifference): string[] {
  const { featuresAdded, featuresRemoved, featuresChanged, contract, source, keys, rebuild } = difference;
  const parts = (list: DefinitionDifference['featuresChanged']): string[] =>
    list.map(({ name, what }) => `~ ${name} (${what.join('; ')})`);
  const lines: (readonly [head: string, said: readonly string[]])[] = [
    ['keys', keys === null ? [] : [keys]],
    ['features', [...signed('+', featuresAdded), ...signed('-', featuresRemoved), ...parts(featuresChanged)]],
    [
      'contract',
      contract === null
        ? []
        : [...signed('+', contract.added), ...signed('-', contract.removed), ...parts(contract.changed)],
    ],
    ['source', source === null ? [] : parts(source)],
    ['rebuild', [`${rebuild.isNeeded ? 'needed' : 'NOT needed'}: ${rebuild.why}`]],
  ];
  return lines.flatMap(([head, said]) => said.map((text, index) => `${(index === 0 ? head : '').padEnd(8)} ${text}`));
}

function signed(sign: string, names: readonly string[]): string[] {
  return names.map((name) => `${sign} ${name}`);
}

function expectedText(expected: ExpectedWork): string {
  const { historyRows, topicRecords, minutes, measured, stateBytes } = expected;
  const rows = [
    historyRows === 0 ? null : `${historyRows === null ? 'uncounted' : count(historyRows)} rows of history`,
    topicRecords === 0 ? null : `${topicRecords === null ? 'uncounted' : count(topicRecords)} records of the topic`,
  ].filter((text) => text !== null);
  const time = minutes === null ? measured : `about ${minutesText(minutes)}, ${measured}`;
  const doubled =
    stateBytes === null ? '' : `; about ${megabytes(stateBytes)} of states more while both versions are kept`;
  return `${rows.length === 0 ? 'nothing to read' : rows.join(' and ')}: ${time}${doubled}`;
}

function minutesText(minutes: number): string {
  if (minutes < 1) return `${Math.max(1, Math.round(minutes * 60))} s`;
  return minutes < 10 ? `${minutes.toFixed(1)} minutes` : `${Math.round(minutes)} minutes`;
}

function megabytes(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MB`;
}
