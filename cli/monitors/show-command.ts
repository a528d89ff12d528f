import { type Command, InvalidArgumentError } from 'commander';
import type { MonitorBucket, MonitorPlace, MonitorSegment } from '../../engine/monitors/monitor-bucket.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { monitorTimes } from './monitor-times.ts';

const PLACES = ['source', 'store', 'served'] as const;
/** Buckets that are listed where nothing says which. */
const NEWEST = 200;

interface ShowOptions extends CommonOptions {
  readonly field?: string | undefined;
  readonly segment?: MonitorSegment | undefined;
  readonly place: MonitorPlace;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** `millrace monitor show SOURCE`. */
export function addMonitorShow(monitor: Command): void {
  const command = monitor
    .command('show')
    .argument('<name>', 'a source; with --place, a view or service')
    .description('what is kept of records, or of a field, bucket by bucket')
    .option('--field <name>', 'a field (default: the records themselves)')
    .option('--segment <name=value>', 'e.g. origin=AMS, or partition=0 (default: the whole)', segmentOf)
    .option('--place <place>', PLACES.join(', '), placeOf, 'source' as const)
    .option('--from <time>', `ISO time of the first bucket (default: the newest ${NEWEST} are shown)`)
    .option('--to <time>', 'ISO time: buckets that begin before it');
  withCommonOptions(command).action(async (name: string, options: ShowOptions) => {
    const { env, output } = contextOf(options);
    const { fromMs = Number.MIN_SAFE_INTEGER, untilMs = Number.MAX_SAFE_INTEGER } = monitorTimes(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, {
      max: 1,
      applicationName: 'millrace-monitor',
      installation: env.installation,
    });
    try {
      const { field = null, segment = null, place } = options;
      const found = await readBuckets(pool, { place, object: name, field, segment, fromMs, untilMs });
      const buckets = options.from === undefined ? found.slice(-NEWEST) : found;
      if (output.isJson) output.json({ name, place, field, segment, buckets: buckets.map(jsonOf) });
      else print(output, buckets);
    } finally {
      await pool.end();
    }
  });
}

function segmentOf(text: string): MonitorSegment {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected name=value, e.g. origin=AMS');
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

function placeOf(text: string): MonitorPlace {
  const place = PLACES.find((each) => each === text);
  if (place === undefined) throw new InvalidArgumentError(`expected ${PLACES.join(', ')}`);
  return place;
}

/** A bucket as JSON: maps are objects. */
function jsonOf({ grain, beginMs, count: records, values, records: summary }: MonitorBucket): object {
  return {
    begin: new Date(beginMs).toISOString(),
    grain,
    count: records,
    ...(values === null
      ? {}
      : {
          nulls: values.nulls,
          numbers: values.numbers,
          bins: values.bins === null ? null : [...values.bins],
          top:
            values.top === null ? null : { counts: Object.fromEntries(values.top.counts), others: values.top.others },
          distinct: values.distinct,
        }),
    ...(summary === null
      ? {}
      : {
          invalid: Object.fromEntries(summary.invalid),
          leftOut: Object.fromEntries(summary.leftOut),
          lagSumMs: summary.lagSumMs,
          found: summary.found,
        }),
  };
}

function print(output: Output, buckets: readonly MonitorBucket[]): void {
  if (buckets.length === 0) {
    output.line('nothing is kept of it; "millrace monitor backfill" computes the past');
    return;
  }
  if (buckets[0]!.field === null) {
    output.table(
      ['begin', 'grain', 'records', 'invalid', 'left out', 'mean lag'],
      buckets.map(({ beginMs, grain, count: all, records }) => {
        const [invalid, leftOut] = [sumOf(records!.invalid), sumOf(records!.leftOut)];
        const valid = all - invalid - leftOut;
        return [
          timeText(beginMs),
          grain,
          count(all),
          reasonsText(records!.invalid),
          reasonsText(records!.leftOut),
          valid === 0 ? '-' : `${(records!.lagSumMs / valid / 1000).toFixed(1)} s`,
        ];
      }),
    );
    return;
  }
  output.table(
    ['begin', 'grain', 'values', 'nulls', 'mean', 'zeros', 'distinct', 'most frequent'],
    buckets.map(({ beginMs, grain, count: all, values }) => {
      const known = all - values!.nulls;
      const { numbers, distinct, top } = values!;
      return [
        timeText(beginMs),
        grain,
        count(all),
        `${((100 * values!.nulls) / all).toFixed(1)} %`,
        numbers === null || known === 0 ? '-' : (numbers.sum / known).toPrecision(6),
        numbers === null ? '-' : count(numbers.zeros),
        distinct === null ? '-' : count(distinct),
        top === null
          ? '-'
          : [...top.counts]
              .slice(0, 3)
              .map(([text, n]) => `${text} ${count(n)}`)
              .join(', '),
      ];
    }),
  );
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const each of counts.values()) sum += each;
  return sum;
}

/** How many, and by which reason most. */
function reasonsText(counts: ReadonlyMap<string, number>): string {
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  if (most === undefined) return '0';
  const rest = counts.size - 1;
  return `${count(sumOf(counts))} (${most[0]}${rest === 0 ? '' : `, and ${rest} more`})`;
}
