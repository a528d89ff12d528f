import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CompiledMonitor } from '../../engine/define/compiled-monitor.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { formatDuration } from '../../engine/define/duration.ts';
import type { InstallationNames } from '../../engine/installation/installation-names.ts';
import { lockState } from '../../engine/define/lock-file.ts';
import { type LabelSetRow, listLabelSets } from '../../engine/define/list-definitions.ts';
import { describePlan, type PlanRow, type RunningView } from '../../engine/define/plan.ts';
import { isRetired } from '../../engine/define/semantics.ts';
import type { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { StateCost } from '../../engine/state/state-cost.ts';
import { type RecordSize, recordSize } from '../../engine/served/record-size.ts';
import { MOST_RECORD_BYTES } from '../../engine/topic/buffered-log.ts';
import { filesNotIn } from '../../engine/history/named-history.ts';
import { unfitDatabase } from '../../engine/postgres/fit-database.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { liveVersions } from '../../engine/postgres/view-versions.ts';
import type { KafkaSettings } from '../../config/environment.ts';
import { checkReachable } from '../../config/reachability.ts';
import type { TemporalSettings } from '../../config/temporal-settings.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { absenceText } from '../absence-text.ts';
import { topicsByWriter, topicsOfOutcomes, writerTimesText } from '../arrival-topics.ts';
import { checkedDefinitions } from '../checked-definitions.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { SAMPLE_ROWS } from '../inspect-histories.ts';
import { lockText } from '../lock-text.ts';
import { newerFilesText } from '../newer-files.ts';
import { count, type Output } from '../output.ts';
import { knownServices } from '../services.ts';
import { costText, SampledRows } from '../view-costs.ts';

const ANSWER_WITHIN_MS = 2_000;

interface PlanOptions extends CommonOptions {
  readonly sample: number;
  readonly against?: 'live' | undefined;
  readonly entities?: number | undefined;
}

/** `millrace plan`: what each view is, or every fault at once. */
export function addPlanCommand(program: Command): void {
  const command = program
    .command('plan')
    .description('what each view is and what runs, or every fault of the definitions at once');
  command.option('--sample <n>', 'rows of each history to hold against its contract; 0: none', sampleOf, SAMPLE_ROWS);
  command.addOption(
    new Option('--against <what>', 'say what would change of what is live, before anything is done').choices(['live']),
  );
  command.option(
    '--entities <n>',
    'with --against: compare the values of so many entities at most (default 2,000)',
    entitiesOf,
  );
  withCommonOptions(command).action(async (options: PlanOptions) => {
    const { env, output, features } = contextOf(options);
    const sampled = new SampledRows();
    const definitions = await checkedDefinitions(features, output, options.sample, env.spillDir, sampled.add);
    if (definitions === null) {
      process.exitCode = 1;
      return;
    }
    if (options.against !== undefined) {
      const { planAgainst } = await import('../plan-against.ts');
      return await planAgainst(env, output, definitions, options.entities);
    }
    const { databaseUrl, temporal, kafka } = knownServices(env);
    // The definitions are sound: that is said even where what runs cannot be looked up.
    const asked = await runningViews(definitions, databaseUrl, temporal, env.installation);
    const costs = sampled.costs(definitions);
    const rows = describePlan(definitions, asked.running ?? undefined, sampled.of).map((row) => ({
      ...row,
      cost: costs.get(row.view)!,
      servedRecord: recordSize(definitions.views.get(row.view)!.layout),
    }));
    if (output.isJson) output.json(rows);
    const unknown = asked.failure === null ? 'no services are named and no "millrace dev" runs' : 'see the error below';
    for (const row of rows) print(output, row, env.installation.lifecycleId(row.view), unknown);
    for (const labels of listLabelSets(definitions.labelSets)) printLabelSet(output, labels);
    for (const rule of definitions.monitors ?? []) output.line(`${rule.name}  (monitor, ${boundsText(rule)})`);
    const ofOutcomes = topicsOfOutcomes(definitions.labelSets.values());
    if (kafka !== null && env.brokerClockFile === null)
      for (const topic of await namedByWriter(kafka, [...ofOutcomes.keys()])) {
        const { found, remedy } = writerTimesText(topic, ofOutcomes.get(topic) ?? []);
        output.note(`warning: topic ${topic}: ${found}\n  ${remedy}`);
      }
    if (asked.failure !== null) {
      output.failure(asked.failure);
      process.exitCode = 1;
    }
    const { state } = await lockState(definitions, dirname(definitions.folder), true);
    if (state !== 'same') output.line(lockText[state]);
    if (temporal !== null) {
      const { startFormUrl } = await import('../with-temporal.ts');
      output.line(
        `start one in the Temporal UI: ${startFormUrl(temporal, taskQueueOf(env.variables))}\n  workflow id ${env.installation.lifecycleId('VIEW')}, input {"view":"VIEW"}`,
      );
    }
  });
}

/** A plan needs no Kafka: of one that does not answer nothing is said here, `doctor` does. */
async function namedByWriter(kafka: KafkaSettings, topics: readonly string[]): Promise<string[]> {
  if (topics.length === 0) return [];
  try {
    await checkReachable({ kafka });
    return await topicsByWriter(kafka, topics);
  } catch {
    return [];
  }
}

interface Asked {
  /** Null where it is not known. */
  readonly running: ReadonlyMap<string, RunningView> | null;
  readonly failure: MillraceError | null;
}

/** What is served and how it goes. A plan needs no services; those that are named must answer. */
async function runningViews(
  definitions: Definitions,
  databaseUrl: string | null,
  temporal: TemporalSettings | null,
  installation: InstallationNames,
): Promise<Asked> {
  if (databaseUrl === null) return { running: null, failure: null };
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-plan', installation });
  try {
    await checkReachable({ databaseUrl, temporal });
    const unfit = await unfitDatabase(pool, 'reads');
    if (unfit !== null) throw unfit;
    const live = await liveVersions(pool);
    const phases = new Map<string, string>();
    if (temporal !== null) {
      const [{ withTemporal }, { queryStatus }] = await Promise.all([
        import('../with-temporal.ts'),
        import('../lifecycle-client.ts'),
      ]);
      await withTemporal(temporal, installation, async (client) => {
        for (const { view } of live) {
          // A view without a lifecycle is served all the same.
          const status = await queryStatus(client, view, ANSWER_WITHIN_MS).catch(() => null);
          if (status !== null) phases.set(view, status.phase);
        }
      });
    }
    const running = new Map<string, RunningView>();
    for (const { view, version, fingerprint, semantics, history } of live) {
      const source = definitions.views.get(view)?.source;
      const files = history?.files ?? [];
      const filesNotInVersion = source?.history == null ? 0 : await filesNotIn(source, files);
      const isBefore =
        isRetired(semantics) && (await definitions.views.get(view)?.fingerprintBefore?.()) === fingerprint;
      running.set(view, {
        phase: phases.get(view) ?? 'no-lifecycle',
        version,
        fingerprint,
        isBefore,
        filesNotInVersion,
      });
    }
    return { running, failure: null };
  } catch (error) {
    const { asMillraceError } = await import('../as-millrace-error.ts');
    return { running: null, failure: asMillraceError(error) };
  } finally {
    await pool.end();
  }
}

/**
 * @param workflowId of its lifecycle
 * @param unknown why it is not known what runs, where it is not
 */
function print(
  output: Output,
  row: PlanRow & { readonly servedRecord: RecordSize; readonly cost: StateCost },
  workflowId: string,
  unknown: string,
): void {
  const { running } = row;
  const keys = row.keys.map(({ name, type }) => `${name} ${type}`).join(', ');
  output.line(`${row.view}  (fingerprint ${row.shortFingerprint})`);
  output.line(`  entity   ${row.entity}: ${keys}`);
  output.line(
    `  source   ${row.source}${row.topic === null ? '' : `, topic ${row.topic}`}${row.history === null ? '' : `, history ${row.history}`}`,
  );
  if (row.sample !== null) output.line(`  sample   ${sampleText(row.sample)}`);
  if (row.services.length > 0)
    output.line(`  services ${row.services.map((name) => serviceText(name, row)).join(', ')}`);
  if (row.refresh !== null) output.line(`  refresh  every ${row.refresh}`);
  if (row.expire !== null) {
    const rows = row.keptExpired === null ? 'its row goes later' : `rows stay: ${row.keptExpired}`;
    output.line(`  expire   ${row.expire} after its newest event an entity reads as never seen; ${rows}`);
  }
  output.line(`  reads    ${readsText(row)}`);
  output.line(`  state    ${costText(row.cost)}`);
  for (const line of logLines(row.servedRecord)) output.line(`  log      ${line}`);
  const note: Readonly<Record<PlanRow['change'], string>> = {
    new: 'nothing yet',
    unknown: `not known: ${unknown}`,
    unchanged: `${running?.phase}, version ${running?.version}, this definition`,
    upgrading: `${running?.phase}, version ${running?.version}, this definition by earlier semantics of the engine: its lifecycle builds the next version by itself`,
    changed: `${running?.phase}, version ${running?.version}, of ANOTHER definition (${running?.fingerprint.slice(0, 12)}): "millrace rebackfill ${row.view}" builds this one`,
  };
  output.line(`  running  ${note[row.change]}`);
  const newer = running === null ? null : newerFilesText(running.filesNotInVersion ?? null, row.view);
  if (newer !== null) output.line(`           ${newer}`);
  output.line(`  workflow ${workflowId}`);
  output.table(
    ['feature', 'aggregate', 'input', 'reads', 'window', 'hop', 'type', 'tag'],
    row.features.map(({ name, aggregate, input, window, hop, type, tag, observedFields }) => [
      name,
      aggregate,
      input,
      observedFields.join(', '),
      window,
      hop,
      type,
      tag,
    ]),
  );
}

/** What all features depend on; that of each stands in the table. */
function readsText({ observedFields: { where, key } }: PlanRow): string {
  const wheres = where.length === 0 ? '' : `, where ${where.join(', ')}`;
  return `keys ${key.join(', ')}${wheres} (observed on sampled rows, as is what features read)`;
}

function printLabelSet(output: Output, labels: LabelSetRow): void {
  const { labelSet, decisions, outcomes, joinedBy, matureAfter, horizon, reduce, absent, knownAt, tag } = labels;
  output.line(`${labelSet}  (label set, tag ${tag})`);
  output.line(
    `  joins    ${decisions} with ${outcomes}, by ${joinedBy === 'key' ? 'a key' : 'the decision they name'}`,
  );
  output.line(`  label    ${reduce} of what outcomes say; of none: ${absenceText(absent)}`);
  output.line(
    `  mature   ${matureAfter} after the decision, of outcomes known by then (${knownAt ?? 'as their records came'})`,
  );
  output.line(`  pairs    of outcomes up to ${horizon} after the decision`);
}

function boundsText({ metric, least, most }: CompiledMonitor): string {
  const shown = (bound: number): string => (metric === 'lag' ? formatDuration(bound * 1000) : `${bound}`);
  const bounds = [
    least === null ? null : `less than ${shown(least)}`,
    most === null ? null : `more than ${shown(most)}`,
  ];
  return `an alert of ${bounds.filter((each) => each !== null).join(' or ')} in an hour`;
}

/** Where texts, or very long names of an enum, may make a read larger than what is logged of it. */
function logLines({ bytes, texts }: RecordSize): string[] {
  if (texts.length === 0 && bytes <= MOST_RECORD_BYTES) return [];
  const named = texts.length > 3 ? `${texts.slice(0, 3).join(', ')} and ${texts.length - 3} more` : texts.join(', ');
  const what = `a read is up to ${count(bytes)} bytes${texts.length === 0 ? '' : ` and the texts of ${named}`}`;
  return [`${what}; one of more than ${count(MOST_RECORD_BYTES)} is served, and not logged`];
}

function sampleText({ rows, of, invalid, reasons }: NonNullable<PlanRow['sample']>): string {
  const looked = `${count(rows)}${of === null ? '' : ` of ${count(of)}`} rows looked at`;
  return `${looked}: ${invalid === 0 ? 'all valid' : `${count(invalid)} invalid: ${reasons}`}`;
}

function sampleOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number, 0 or more');
  return value;
}

function entitiesOf(text: string): number {
  const value = sampleOf(text);
  if (value === 0) throw new InvalidArgumentError('expected a whole number, 1 or more');
  return value;
}

/** `delay_model (from, to)`: in roles. */
function serviceText(service: string, { roles }: PlanRow): string {
  const own = roles.filter((one) => one.service === service).map(({ role }) => role);
  return own.length === 0 ? service : `${service} (${own.join(', ')})`;
}
