import type { Command } from 'commander';
import type pg from 'pg';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { DerivedCodeOf } from '../../engine/online/view-read.ts';
import { createOnlineStore, type OnlineStore } from '../../engine/online/online-store.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { keyOf, timeOf } from '../entity-arguments.ts';
import { type AnsweredService, getService, type ServedCodeOf } from '../get-service.ts';
import type { Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { readJson, readRemarks, readRows, valueText } from '../shown-read.ts';

/** `millrace get VIEW|SERVICE key=value…`. */
export function addGetCommand(program: Command): void {
  const command = program
    .command('get')
    .argument('<view>', 'or a service: all of its views and roles')
    .argument(
      '<key=value...>',
      'the join keys, e.g. origin=LAS destination=PHL, and the fields of the request that a service asks for',
    )
    .description('the feature values of one entity, as of now or of --at')
    .option('--at <time>', 'ISO time to read at');
  withCommonOptions(command).action(async (name: string, given: string[], options: CommonOptions & { at?: string }) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, { max: 2, applicationName: 'millrace-cli', installation: env.installation });
    try {
      const atUs = options.at === undefined ? undefined : timeOf(options.at);
      const derivedOf: DerivedCodeOf = async (version) => {
        // Rarely needed, and slow to load.
        const { StoredVersionCode } = await import('../../engine/bundles/version-code.ts');
        const definitions = { views: new Map<string, CompiledView>(), folder: '', baseFolder: process.cwd() };
        return (await new StoredVersionCode({ definitions, pool, keys: env.bundleKeys }).viewOf(version)).derived;
      };
      const store = createOnlineStore({ pool, clock: systemClock, derivedOf });
      if (await getView(pool, store, name, given, atUs, output)) return;
      const codeOf: ServedCodeOf = async (version) => {
        // The same.
        const { StoredServiceCode } = await import('../../engine/bundles/service-code.ts');
        return await new StoredServiceCode({ pool, keys: env.bundleKeys }).derivedBy(version);
      };
      const answered = await getService(pool, store, name, given, atUs ?? systemClock.nowUs(), codeOf);
      if (answered === null) throw notServed(name);
      printService(answered, output);
    } finally {
      await pool.end();
    }
  });
}

/** Prints what a view answers; false where none of that name is served. */
async function getView(
  pool: pg.Pool,
  store: OnlineStore,
  view: string,
  given: readonly string[],
  atUs: number | undefined,
  output: Output,
): Promise<boolean> {
  const live = await liveVersion(pool, view);
  if (live === null) return false;
  const { layout } = live;
  const [read] = await store.get(view, [keyOf(layout, given)], atUs === undefined ? {} : { atUs });
  if (read === undefined) throw notServed(view);
  if (output.isJson) {
    output.json(readJson(layout, read));
    return true;
  }
  output.table(['feature', 'value'], readRows(layout, read));
  output.line(readRemarks(layout, read));
  return true;
}

function printService({ service, version, blocks, derived }: AnsweredService, output: Output): void {
  if (output.isJson) {
    const views = Object.fromEntries(blocks.map(({ name, layout, read }) => [name, readJson(layout, read)]));
    return output.json({ service, version, views, ...derivedJson(derived) });
  }
  const ofViews = blocks.flatMap(({ name, layout, read }) =>
    readRows(layout, read).map(([feature, value]) => [`${name}.${feature}`, value]),
  );
  const { values = {}, errors = null, failures = [] } = derived ?? {};
  const ofService = Object.entries(values).map(([feature, value]) => [
    `${service}.${feature}`,
    valueText(errors, feature, value),
  ]);
  output.table(['feature', 'value'], [...ofViews, ...ofService]);
  for (const { name, layout, read } of blocks) output.line(`${name}: ${readRemarks(layout, read)}`);
  for (const { feature, reason } of failures) output.line(`${service}.${feature}: ${reason}`);
}

function derivedJson(derived: AnsweredService['derived']): object {
  return derived === null ? {} : { derived: { values: derived.values, errors: derived.errors } };
}

function notServed(name: string): MillraceError {
  return new MillraceError('unknown-view', `no view "${name}" is served, nor a service of that name`, {
    remedy: `"millrace status" lists what is served; start it with: millrace start ${name}`,
    httpStatus: 404,
  });
}
