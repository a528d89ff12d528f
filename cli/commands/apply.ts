import { dirname } from 'node:path';
import type { Command } from 'commander';
import { bundleSignKey } from '../../config/bundle-sign-key.ts';
import { type AppliedView, applyDefinitions, type ApplyOutcome } from '../../engine/bundles/apply-definitions.ts';
import { LOCK_FILE } from '../../engine/define/feature-lock.ts';
import { type LockState, writeLock } from '../../engine/define/lock-file.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { checkReachable } from '../../config/reachability.ts';
import { actorName } from '../actor.ts';
import { checkedDefinitions } from '../checked-definitions.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { SAMPLE_ROWS } from '../inspect-histories.ts';
import type { Output } from '../output.ts';
import { knownServices, neededServices } from '../services.ts';
import { tellLifecycles } from '../tell-lifecycles.ts';
import { withTemporal } from '../with-temporal.ts';

interface ApplyCommandOptions extends CommonOptions {
  readonly dryRun?: boolean | undefined;
  readonly message?: string | undefined;
}

/** `millrace apply [VIEW...]`. */
export function addApplyCommand(program: Command): void {
  const command = program
    .command('apply')
    .argument('[view...]', 'these alone (default: all of the folder)')
    .description(
      `make the definitions what their views are to be: stores their code, writes ${LOCK_FILE}, and changes nothing that runs`,
    )
    .option('--dry-run', 'say what would be, and change nothing')
    .option('--message <text>', 'why, for whoever reads it later');
  withCommonOptions(command).action(async (views: string[], options: ApplyCommandOptions) => {
    const { env, output, features } = contextOf(options);
    const definitions = await checkedDefinitions(features, output, SAMPLE_ROWS, env.spillDir);
    if (definitions === null) {
      process.exitCode = 1;
      return;
    }
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const { temporal } = knownServices(env);
    // Before anything is moved: else it would be applied, and nobody told.
    await checkReachable({ temporal });
    const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-apply', installation: env.installation });
    try {
      const { dryRun = false, message } = options;
      const trust = { keys: env.bundleKeys, signKey: bundleSignKey(env) ?? undefined };
      const asked = { pool, definitions, views, actor: actorName(), message, dryRun };
      const outcome = await applyDefinitions({ ...asked, ...trust });
      // Of some of the views it would say more than was applied.
      const lock = dryRun || views.length > 0 ? null : await writeLock(definitions, dirname(definitions.folder));
      const told =
        temporal === null || dryRun
          ? null
          : await withTemporal(temporal, env.installation, (client) => tellLifecycles(client, outcome.views));
      if (output.isJson)
        output.json({ dryRun, ...outcome, lock: lock?.state ?? null, told: told === null ? null : [...told] });
      else print(output, outcome, { dryRun, lock, told });
    } finally {
      await pool.end();
    }
  });
}

interface Done {
  readonly dryRun: boolean;
  /** Null where it was not written. */
  readonly lock: LockState | null;
  /** Whose lifecycles were told; null: Temporal is not known here. */
  readonly told: ReadonlySet<string> | null;
}

function print(
  output: Output,
  { applyNumber, views, services, gone }: ApplyOutcome,
  { dryRun, lock, told }: Done,
): void {
  output.table(
    ['view', 'change', 'fingerprint', 'before', 'next'],
    views.map((view) => [
      view.view,
      view.change,
      short(view.fingerprint),
      short(view.before ?? view.live),
      next(view, told),
    ]),
  );
  for (const { service, version } of services)
    output.line(
      `service ${service}: version ${version}, served once all of its views are (millrace versions ${service})`,
    );
  for (const view of gone)
    output.line(
      `${view}: no longer defined here: it stays as it is; "millrace retire ${view}" takes it from its readers`,
    );
  if (lock !== null && lock.state !== 'same')
    output.line(`wrote ${LOCK_FILE}: commit it with the applications that read these features`);
  if (told === null && !dryRun)
    output.line(
      'no Temporal is named here, so no lifecycle was told: set TEMPORAL_ADDRESS and apply again, which tells them',
    );
  if (dryRun) output.line('nothing was changed: this was a dry run');
  else if (applyNumber === null) output.line('nothing to apply: all of it was applied before');
  else output.line(`applied, number ${applyNumber}`);
}

function short(fingerprint: string | null): string | null {
  return fingerprint?.slice(0, 12) ?? null;
}

/** What comes of a view, or what to do, in the words of a command. */
function next({ view, fingerprint, live }: AppliedView, told: ReadonlySet<string> | null): string {
  if (live === fingerprint) return 'nothing: it is what is served';
  if (live === null) return `millrace start ${view}`;
  if (told !== null && !told.has(view)) return `millrace start ${view}: it is served, and has no lifecycle`;
  return `a candidate is built aside: millrace diff ${view}, millrace approve ${view}`;
}
