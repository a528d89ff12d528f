import type { Command } from 'commander';
import { errorOf, EVERY_FEATURE, type FeatureErrors } from '../../engine/values/feature-errors.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { keyOf, timeOf } from '../entity-arguments.ts';
import { neededServices } from '../services.ts';

/** `millrace get VIEW key=value…`. */
export function addGetCommand(program: Command): void {
  const command = program
    .command('get')
    .argument('<view>')
    .argument('<key=value...>', 'the join keys, e.g. origin=LAS destination=PHL')
    .description('the feature values of one entity, as of now or of --at')
    .option('--at <time>', 'ISO time to read at');
  withCommonOptions(command).action(async (view: string, given: string[], options: CommonOptions & { at?: string }) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, { max: 2, applicationName: 'millrace-cli', installation: env.installation });
    try {
      const live = await liveVersion(pool, view);
      if (live === null) throw notServed(view);
      const { layout } = live;
      const atUs = options.at === undefined ? undefined : timeOf(options.at);
      const store = createOnlineStore({ pool, clock: systemClock });
      const [read] = await store.get(view, [keyOf(layout, given)], atUs === undefined ? {} : { atUs });
      if (read === undefined) throw notServed(view);
      const values = layout.features.map(
        (feature, index) => [feature.name, shown(feature.result.kind, read.values[index] ?? null)] as const,
      );
      const freshnessSeconds = read.freshnessUs === null ? null : read.freshnessUs / 1_000_000;
      if (output.isJson) {
        const { errors, found, ahead, seq, version, fingerprint } = read;
        const as_of = formatDateTime(read.asOfUs);
        return output.json({
          view,
          version,
          fingerprint,
          values: Object.fromEntries(values),
          errors,
          found,
          as_of,
          ahead,
          seq,
          freshness_seconds: freshnessSeconds,
        });
      }
      output.table(
        ['feature', 'value'],
        values.map(([name, value]) => [name, value === null ? nullText(read.errors, name) : String(value)]),
      );
      const remarks = [`as of ${formatDateTime(read.asOfUs)}`, `version ${read.version}`];
      if (read.errors?.[EVERY_FEATURE] !== undefined)
        remarks.push(
          `the stored state is CORRUPT: "millrace audit ${view}" tells what differs, "millrace rebackfill ${view}" builds it anew`,
        );
      if (!read.found) remarks.push('entity not found, or expired: these are the values of an entity without events');
      if (read.ahead)
        remarks.push('AHEAD: the state holds events at or after that time, so this is not what was known then');
      if (freshnessSeconds !== null) remarks.push(`fresh to ${freshnessSeconds.toFixed(1)} s`);
      output.line(remarks.join(' · '));
    } finally {
      await pool.end();
    }
  });
}

/** What stands in the table for a null: why there is no value, where an error is the reason. */
function nullText(errors: FeatureErrors | null, name: string): string {
  const code = errorOf(errors, name);
  return code === undefined ? 'null' : `error: ${code}`;
}

/** A value as JSON has it: int64 as text, datetimes as ISO UTC. */
function shown(kind: string, value: ScalarValue): string | number | boolean | null {
  if (kind === 'timestamp' && typeof value === 'number') return formatDateTime(value);
  return typeof value === 'bigint' ? String(value) : value;
}

function notServed(view: string): MillraceError {
  return new MillraceError('unknown-view', `no view "${view}" is served`, {
    remedy: `"millrace status" lists what is served; start it with: millrace start ${view}`,
    httpStatus: 404,
  });
}
