import { isDeepStrictEqual } from 'node:util';
import type { Command } from 'commander';
import { StoredVersionCode } from '../../engine/bundles/version-code.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { formatDuration, windowText } from '../../engine/define/duration.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { explainedVersion, explainFeatures } from '../../engine/parity/explain-features.ts';
import type { ExplainedFeature, ExplainedRecord, Explanation } from '../../engine/parity/explanation.ts';
import { shownExplanation } from '../../engine/parity/shown-report.ts';
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { openSpillFolder } from '../../config/spill-folder.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { keyOf, timeOf } from '../entity-arguments.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { shownCell, shownCells } from '../shown-cell.ts';

interface ExplainCommandOptions extends CommonOptions {
  readonly at?: string | undefined;
  readonly reveal?: boolean | undefined;
}

/** `millrace explain VIEW key=value… [--at T]`. */
export function addExplainCommand(program: Command): void {
  const command = program
    .command('explain')
    .argument('<view>')
    .argument('<key=value...>', 'the join keys, e.g. origin=LAS destination=PHL')
    .description('the tiles and records behind every number of one entity, as served now or at --at')
    .option('--at <time>', 'ISO time: what serving would have answered then, and why')
    .option('--reveal', 'show sensitive values, which are hashed else');
  withCommonOptions(command).action(async (name: string, given: string[], options: ExplainCommandOptions) => {
    const { env, output, features } = contextOf(options);
    const definitions = await loadDefinitions(features);
    const atUs = options.at === undefined ? undefined : timeOf(options.at);
    const { databaseUrl, kafka } = await neededServices(env, ['databaseUrl', 'kafka']);
    const spill = openSpillFolder(env.spillDir);
    const spillDir = spill.path;
    const pool = createPool(databaseUrl, {
      max: 4,
      applicationName: 'millrace-explain',
      installation: env.installation,
    });
    const reader = withArchive(createKafkaLogReader({ ...kafka, clientId: 'millrace-explain', clock: systemClock }), {
      pool,
      archiveDir: env.archiveDir,
      duckdbTempDir: spillDir,
    });
    try {
      const { layout } = await explainedVersion(pool, name, atUs);
      const key = keyOf(layout, given);
      const revealed = await explainFeatures({
        view: name,
        code: new StoredVersionCode({ definitions, pool, keys: env.bundleKeys }),
        pool,
        reader,
        archiveDir: env.archiveDir,
        key,
        ...(atUs === undefined ? {} : { atUs }),
        spillDir,
        memory: setProcessMemory(env.memoryMb),
        clock: systemClock,
        onProgress: (done, total) =>
          output.progress(`reading the log: ${count(done)}${total === null ? '' : ` of ${count(total)}`} records`),
      });
      const { replayedBy: _, ...inTheClear } = revealed;
      const explanation = options.reveal === true ? inTheClear : shownExplanation(revealed);
      if (output.isJson) output.json(explanation);
      else print(output, explanation);
    } finally {
      await Promise.all([reader.close(), pool.end()]);
      spill.remove();
    }
  });
}

function print(output: Output, explanation: Explanation): void {
  const { view, version, fingerprint, entity, from, asOf, found, expired, corrupt, ahead, seq, lag } = explanation;
  const key = Object.entries(entity).map(([name, value]) => `${name}=${String(value)}`);
  output.line(`${view} ${key.join(' ')}, ${from === 'store' ? 'as readers get it now' : 'as readers got it then'}`);
  const facts: (readonly [string, string])[] = [
    ['as of', asOf],
    ['version', `${version}, fingerprint ${fingerprint.slice(0, 12)}`],
    ['seq', seq === null ? 'none: the entity has no state' : count(seq)],
    ['newest commit', `${count(lag.commit)}${lag.committedAt === null ? ' (the backfill)' : `, ${lag.committedAt}`}`],
    ['newest event applied', lag.newestEventTime ?? 'none'],
    ['offsets', lag.offsets.map(({ partition, nextOffset }) => `${partition}@${count(nextOffset)}`).join(' ')],
    ['records behind', lag.recordsBehind === null ? 'not known' : count(lag.recordsBehind)],
    ['applied later', count(lag.appliedLater.count)],
  ];
  output.table(['what', 'value'], facts);
  if (corrupt !== null)
    output.line(
      `CORRUPT: ${corrupt}; readers get an error of every feature. Build it anew: millrace rebackfill ${view}`,
    );
  if (expired !== null) output.line(`entity expired ${expired}: from then on it reads as one without events`);
  else if (!found) output.line('entity not found, or expired: these are the values of an entity without events');
  if (ahead) output.line('AHEAD: the state holds events at or after that time, so this is not what was known then');
  if (lag.appliedLater.records.length > 0) {
    output.line('records of this entity from before that time that were applied only later:');
    output.table(
      ['partition', 'offset', 'event time', 'id', 'seq'],
      lag.appliedLater.records.map((record) => [
        place(record.partition),
        count(record.offset),
        record.eventTime,
        record.eventId,
        count(record.seq),
      ]),
    );
  }
  for (const feature of explanation.features) printFeature(output, feature);
}

function printFeature(output: Output, feature: ExplainedFeature): void {
  const { name, aggregate, input, windowSeconds, hopSeconds, agoSeconds, value, replayed, default: fill } = feature;
  const over =
    windowSeconds === null
      ? 'lifetime'
      : `over ${windowText(windowSeconds * 1_000_000, (agoSeconds ?? 0) * 1_000_000)}${hopSeconds === null ? '' : `, hop ${formatDuration(hopSeconds * 1_000_000)}`}`;
  output.line();
  output.line(
    `${name} = ${shownCell(value)}   ${aggregate}(${input ?? ''})${aggregate === 'derived' ? '' : ` ${over}`}${fill === undefined ? '' : `, by default ${JSON.stringify(fill)}`}`,
  );
  if (!isDeepStrictEqual(value, replayed)) {
    const [held, logged] = shownCells(value, replayed);
    output.line(`  DIFFERS: by the log it is ${logged}, not ${held}`);
  }
  if (feature.derivedFrom !== undefined) {
    const { values, failure } = feature.derivedFrom;
    const read = Object.entries(values).map(([of, cell]) => `${of} = ${shownCell(cell)}`);
    output.line(`  read ${read.length === 0 ? 'no feature' : read.join(', ')}`);
    if (failure !== null) output.line(`  FAILED: ${failure}`);
  }
  if (feature.deciding !== null) {
    const { partition, offset, eventTime } = feature.deciding;
    output.line(`  decided by ${place(partition)}@${count(offset)}, ${eventTime}`);
  }
  // The one tile of a lifetime feature is the value itself.
  if (feature.tiles.length > 0 && windowSeconds !== null) {
    output.table(
      ['tile', 'from', 'until', 'value'],
      feature.tiles.map(({ index, from, until, value: held }) => [index, from, until, shownCell(held)]),
    );
    if (feature.moreTiles > 0) output.line(`  and ${count(feature.moreTiles)} older tiles`);
  }
  if (feature.records.length > 0) {
    const isOrdered = feature.records.some(({ order }) => order !== undefined);
    const isDivided = feature.records.some(({ category }) => category !== undefined);
    output.table(
      [
        'partition',
        'offset',
        'event time',
        'value',
        ...(isOrdered ? ['by'] : []),
        ...(isDivided ? ['category'] : []),
        'id',
        'seq',
      ],
      feature.records.map(recordRow),
    );
    if (feature.moreRecords > 0) output.line(`  and ${count(feature.moreRecords)} older records`);
  }
}

function recordRow({
  partition,
  offset,
  eventTime,
  value,
  order,
  category,
  eventId,
  seq,
}: ExplainedRecord): (string | null)[] {
  const by = [order, category].flatMap((beside) => (beside === undefined ? [] : [JSON.stringify(beside)]));
  return [place(partition), count(offset), eventTime, JSON.stringify(value), ...by, eventId, count(seq)];
}

function place(partition: number): string {
  return partition === -1 ? 'history' : String(partition);
}
