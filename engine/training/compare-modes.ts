import type { ServiceBlock } from '../define/compiled-view.ts';
import { blockText, roleAt } from '../define/service-blocks.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { invariant } from '../errors/millrace-error.ts';
import type { ResultType } from '../values/result-type.ts';
import { type ComparedFeature, LAG_KINDS, type LagKind, type ModeComparison } from './comparison-types.ts';
import { LAG_CODES, type LagTarget, stageLags } from './lag-intervals.ts';
import { errorsTable } from './feature-staging.ts';
import type { BlockReading, ReadContext, Reading } from './reading.ts';
import type { ServedPlan } from './served-plan.ts';
import { inRange, LABELS_TABLE, placeOf, type TimeRange } from './spine-labels.ts';
import type { ViewsLog } from './view-logs.ts';

/** What was read of the same labels in both modes. */
export interface BothModes {
  readonly plans: readonly ServedPlan[];
  readonly asServed: Reading;
  readonly eventTime: Reading;
  /** Of the reading by event time. */
  readonly logs: readonly ViewsLog[];
  /** What the service derived in both; null: it derives nothing. */
  readonly own: {
    readonly asServed: BlockReading;
    readonly eventTime: BlockReading;
    /** When a version of it was served. */
    readonly times: readonly TimeRange[];
  } | null;
}

/** The differing labels of a block, and why they differ. */
interface ComparedBlock {
  readonly block: ServiceBlock;
  readonly target: LagTarget;
  /** row_number, time_us, entity, and per feature `d<i>`: whether it differs. */
  readonly differingTable: string;
}

/**
 * How the two modes differ, per feature, and which kinds of lag did it: for each differing label, which events of its entity are known in one mode
 * and not in the other. Only the entities of differing labels are looked for in the log.
 */
export async function compareModes(context: ReadContext, both: BothModes): Promise<ModeComparison> {
  const { duckdb, signal } = context;
  const compared: ComparedBlock[] = [];
  for (const block of context.options.service.blocks) compared.push(await differingLabels(context, block, both));
  for (const log of both.logs) {
    const targets: LagTarget[] = [];
    for (const { target } of compared) {
      if (!log.views.includes(target.plan.view) || target.plan.versions.length === 0) continue;
      if ((await countOf(duckdb, target.entityTable)) > 0) targets.push(target);
    }
    if (targets.length > 0) await stageLags(context, log, targets);
  }
  const features: ComparedFeature[] = [];
  const kindTables: string[] = [];
  for (const { block, target, differingTable } of compared) {
    const kindTable = await stageKinds(context, target, differingTable);
    kindTables.push(kindTable);
    const of = { view: block.view.name, ...roleAt(block) };
    const [served, timed] = [tableOf(both.asServed, block), tableOf(both.eventTime, block)];
    features.push(...(await featuresOf(context, { of, block, served, timed, kindTable })));
  }
  const differing = compared.map(({ differingTable }) => differingTable);
  if (both.own !== null) {
    const { asServed, eventTime, times } = both.own;
    const { block } = asServed;
    const [served, timed] = [asServed.table, eventTime.table];
    const differingTable = await stageDiffering(context, block, served, timed, '');
    differing.push(differingTable);
    const kindTable = await stageDerivedKinds(context, differingTable, kindTables, times);
    features.push(...(await featuresOf(context, { of: { view: block.name }, block, served, timed, kindTable })));
  }
  const rows = differing.map((table) => `SELECT row_number FROM ${table}`).join(' UNION ');
  const [total] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM (${rows})`, [], signal);
  return { labels: context.rows, labelsDiffering: Number(total?.n), features };
}

async function differingLabels(context: ReadContext, block: ServiceBlock, both: BothModes): Promise<ComparedBlock> {
  const { duckdb, signal } = context;
  const { view } = block;
  const plan = both.plans.find((one) => one.view === view);
  invariant(plan !== undefined, `no plan of view "${view.name}"`);
  const { number, entity } = placeOf(context.places, block);
  const entityTable = duckdb.newName('compare_entities');
  const lagTable = duckdb.newName('compare_lags');
  const [served, timed] = [tableOf(both.asServed, block), tableOf(both.eventTime, block)];
  const differingTable = await stageDiffering(context, block, served, timed, `l.id${number} AS entity,`);
  await duckdb.run(
    `CREATE TABLE ${entityTable} AS SELECT * FROM ${entity.table} WHERE id IN (SELECT entity FROM ${differingTable})`,
    [],
    signal,
  );
  await duckdb.run(`CREATE TABLE ${lagTable} (entity BIGINT, kind TINYINT, from_us BIGINT, until_us BIGINT)`);
  return { block, target: { plan, entity, entityTable, lagTable }, differingTable };
}

/** Makes the table of the labels of which a block has other cells in one mode than in the other. @param more columns of it, of `l`: SQL */
async function stageDiffering(
  { duckdb, signal }: ReadContext,
  { view }: ServiceBlock,
  served: string,
  timed: string,
  more: string,
): Promise<string> {
  const differingTable = duckdb.newName('compare_rows');
  // A cell is its bits, or its error.
  const flags = view.layout.features.map(
    (_, f) => `s.f${f} IS DISTINCT FROM e.f${f} OR coalesce(list_contains(x.features, ${f}), false)`,
  );
  await duckdb.run(
    `CREATE TABLE ${differingTable} AS
     SELECT l.row_number, l.time_us, ${more} ${flags.map((flag, f) => `${flag} AS d${f}`).join(', ')}
     FROM ${LABELS_TABLE} l JOIN ${served} s USING (row_number) JOIN ${timed} e USING (row_number)
     LEFT JOIN (
       SELECT row_number, list(feature) AS features
       FROM ${errorsTable(served)} a FULL JOIN ${errorsTable(timed)} b USING (row_number, feature)
       WHERE a.code IS DISTINCT FROM b.code GROUP BY row_number
     ) x USING (row_number)
     WHERE ${flags.map((flag) => `(${flag})`).join(' OR ')}`,
    [],
    signal,
  );
  return differingTable;
}

function tableOf({ blocks }: Reading, block: ServiceBlock): string {
  const found = blocks.find((one) => one.block === block);
  invariant(found !== undefined, `${blockText(block)} was not read`);
  return found.table;
}

/** SQL column of whether a label has a kind of lag. */
function flagOf(kind: LagKind): string {
  return kind.replace('-', '_');
}

/** Makes the table of differing labels with the kinds of lag that each has. */
async function stageKinds(
  { duckdb, signal }: ReadContext,
  { plan: { versions }, lagTable }: LagTarget,
  differingTable: string,
): Promise<string> {
  const kindTable = duckdb.newName('compare_kinds');
  const served = versions.length === 0 ? 'false' : versions.map(inRange).join(' OR ');
  const found = Object.entries(LAG_CODES).map(([kind, code]) => ({ kind: kind as LagKind, code }));
  const ends = found.map(({ code }) => endsOf(lagTable, code));
  await duckdb.run(
    `CREATE TABLE ${kindTable} AS
     SELECT r.*, NOT (${served}) AS ${flagOf('not-published')},
       ${found.map(({ kind, code }) => `coalesce(x${code}.end_us > r.time_us, false) AS ${flagOf(kind)}`).join(', ')}
     FROM ${differingTable} r
     ${found.map(({ code }, at) => `ASOF LEFT JOIN ${ends[at]} x${code} ON r.entity = x${code}.entity AND r.time_us >= x${code}.from_us`).join('\n')}`,
    [],
    signal,
  );
  return kindTable;
}

/** The same of what a service derived: the kinds of what it derived of. */
async function stageDerivedKinds(
  { duckdb, signal }: ReadContext,
  differingTable: string,
  ofBlocks: readonly string[],
  times: readonly TimeRange[],
): Promise<string> {
  const kindTable = duckdb.newName('compare_kinds');
  const served = times.length === 0 ? 'false' : times.map(inRange).join(' OR ');
  const flags = LAG_KINDS.map((kind) => {
    const own = kind === 'not-published' ? [`NOT (${served.replaceAll('time_us', 'r.time_us')})`] : [];
    const any = [...own, ...ofBlocks.map((_, b) => `coalesce(k${b}.${flagOf(kind)}, false)`)].join(' OR ');
    return `(${any}) AS ${flagOf(kind)}`;
  });
  const joins = ofBlocks.map((table, b) => `LEFT JOIN ${table} k${b} ON k${b}.row_number = r.row_number`);
  await duckdb.run(
    `CREATE TABLE ${kindTable} AS SELECT r.*, ${flags.join(', ')} FROM ${differingTable} r ${joins.join(' ')}`,
    [],
    signal,
  );
  return kindTable;
}

/** What is told of a block's features, over the tables of what was read of it. */
interface StagedComparison {
  readonly of: Pick<ComparedFeature, 'view' | 'role'>;
  readonly block: ServiceBlock;
  readonly served: string;
  readonly timed: string;
  readonly kindTable: string;
}

async function featuresOf(context: ReadContext, compared: StagedComparison): Promise<ComparedFeature[]> {
  const { duckdb, signal, rows: labels } = context;
  const { of, block, served, timed, kindTable } = compared;
  const { view } = block;
  const flags = LAG_KINDS.map(flagOf);
  const several = `(${flags.map((flag) => `${flag}::INT`).join(' + ')})`;
  const features: ComparedFeature[] = [];
  for (const [f, feature] of view.layout.features.entries()) {
    const difference = absoluteDifference(feature.result, `s.f${f}`, `e.f${f}`);
    // Summed in the order of the rows: the same figures, to the bit, each time.
    const sums =
      difference === null
        ? 'NULL AS mean, NULL AS most, 0 AS numbers'
        : `favg(${difference} ORDER BY k.row_number) AS mean, max(${difference}) AS most, count(${difference}) AS numbers`;
    const [row] = await duckdb.query<Record<string, bigint | number | null>>(
      `SELECT count(*) AS differing, ${sums},
         count(*) FILTER (e.f${f} IS NULL) AS null_event_time, count(*) FILTER (s.f${f} IS NULL) AS null_as_served,
         ${flags.map((flag) => `count(*) FILTER (${flag}) AS ${flag}`).join(', ')},
         ${flags.map((flag) => `count(*) FILTER (${flag} AND ${several} = 1) AS only_${flag}`).join(', ')},
         count(*) FILTER (${several} > 1) AS several, count(*) FILTER (${several} = 0) AS other
       FROM ${kindTable} k JOIN ${served} s USING (row_number) JOIN ${timed} e USING (row_number)
       WHERE d${f}`,
      [],
      signal,
    );
    const count = (name: string): number => Number(row?.[name] ?? 0);
    const differing = count('differing');
    features.push({
      ...of,
      feature: feature.name,
      column: `${block.name}__${feature.name}`,
      labels,
      differing,
      share: differing / labels,
      absolute: count('numbers') === 0 ? null : { labels: count('numbers'), mean: count('mean'), max: count('most') },
      nullEventTime: count('null_event_time'),
      nullAsServed: count('null_as_served'),
      kinds: perKind((kind) => count(flagOf(kind))),
      split: {
        ...perKind((kind) => count(`only_${flagOf(kind)}`)),
        several: count('several'),
        other: count('other'),
      },
    });
  }
  return features;
}

/** Per entity and beginning, the latest end of the intervals that begin by then: a time lies in one of them iff it is before that end. */
function endsOf(lagTable: string, code: number): string {
  return `(
    SELECT entity, from_us, max(until_us) OVER (PARTITION BY entity ORDER BY from_us ROWS UNBOUNDED PRECEDING) AS end_us
    FROM (SELECT entity, from_us, max(until_us) AS until_us FROM ${lagTable} WHERE kind = ${code} GROUP BY ALL)
  )`;
}

function perKind(count: (kind: LagKind) => number): Record<LagKind, number> {
  return {
    'producer-lag': count('producer-lag'),
    'pipeline-lag': count('pipeline-lag'),
    ahead: count('ahead'),
    'not-published': count('not-published'),
  };
}

/** SQL: how far two values of a feature are apart, as DOUBLE; null for types that are no numbers. */
function absoluteDifference(type: ResultType, a: string, b: string): string | null {
  switch (type.kind) {
    case 'int':
    case 'int64':
      return `CAST(abs(CAST(${a} AS HUGEINT) - CAST(${b} AS HUGEINT)) AS DOUBLE)`;
    case 'decimal':
    case 'double':
      return `abs(CAST(${a} AS DOUBLE) - CAST(${b} AS DOUBLE))`;
    case 'string':
    case 'enum':
    case 'boolean':
    case 'timestamp':
    case 'date':
    case 'list':
    case 'map':
      return null;
  }
}

async function countOf(duckdb: DuckDb, table: string): Promise<number> {
  const [row] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${table}`);
  return Number(row?.n);
}
