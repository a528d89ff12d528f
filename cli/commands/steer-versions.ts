import type { Client } from '@temporalio/client';
import { type Command, InvalidArgumentError } from 'commander';
import {
  COMMAND_DESCRIPTIONS,
  type LifecycleStatus,
  VERSION_COMMANDS,
  type VersionCommand,
} from '../../workflows/feature-lifecycle/contract.ts';
import { LOCK_FILE } from '../../engine/define/feature-lock.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { brokenServices, locksOf, servicesWouldBreak, told } from '../broken-services.ts';
import { type CommandContext, type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { confirm, refuseUnasked } from '../confirm.ts';
import { queryStatus, sendVersionCommand } from '../lifecycle-client.ts';
import { printStatus } from '../print-status.ts';
import { neededServices } from '../services.ts';
import { withTemporal } from '../with-temporal.ts';

interface VersionOptions extends CommonOptions {
  readonly version?: number | undefined;
  readonly stale?: boolean | undefined;
  /** Of `approve`. */
  readonly lock?: readonly string[] | undefined;
  readonly break?: boolean | undefined;
  /** Of `discard`. */
  readonly yes?: boolean | undefined;
}

/** `millrace approve|rollback|discard VIEW [--version N]`: what is done with the versions beside the served one. */
export function addVersionSteerCommands(program: Command): void {
  for (const name of VERSION_COMMANDS) {
    const command = program
      .command(name)
      .argument('<view>')
      .description(COMMAND_DESCRIPTIONS[name])
      .option(
        '--version <n>',
        'the version that is meant: another one is refused (default: the one there is)',
        version,
      );
    if (name === 'approve') {
      command
        .option(
          '--lock <files...>',
          `locks of applications that read the view (default: the ${LOCK_FILE} beside the definitions)`,
        )
        .option(
          '--break',
          'approve it although services are locked to, or models in use trained on, features that it does not have as they are',
        );
    }
    if (name === 'rollback') command.option('--stale', 'however far behind it is: readers step back in time');
    const isAsked = name === 'discard';
    if (isAsked) command.option('--yes', 'do not ask (needed where there is no terminal)');
    withCommonOptions(command).action(async (view: string, options: VersionOptions) => {
      const { env, output, features } = contextOf(options);
      const asks = isAsked && options.yes !== true;
      if (asks) refuseUnasked(`${name} ${view}`);
      const { temporal } = await neededServices(env, ['temporal']);
      await withTemporal(temporal, env.installation, async (client) => {
        // What somebody has seen is what is meant, whatever there is by the time it arrives.
        const meant = options.version ?? (await seen(client, view, name));
        if (asks)
          await confirm(
            `${name} ${view}`,
            `${view}: version ${meant ?? 'that waits'} is dropped. To have it again is to build it again.`,
          );
        if (name === 'approve' && meant !== undefined)
          await refuseBroken(options, { env, output, features }, view, meant);
        const input = {
          ...(meant === undefined ? {} : { version: meant }),
          ...(options.stale === true ? { stale: true } : {}),
          ...(options.break === true ? { break: true } : {}),
        };
        printStatus(output, await sendVersionCommand(client, view, name, input));
      });
    });
  }
}

/** Lists the services that a version breaks, and throws where that is not accepted. */
async function refuseBroken(
  { lock, break: isAccepted }: VersionOptions,
  { env, output, features }: CommandContext,
  view: string,
  meant: number,
): Promise<void> {
  const locks = await locksOf(lock, features);
  if (locks.size === 0) return;
  const { databaseUrl } = await neededServices(env, ['databaseUrl']);
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-approve', installation: env.installation });
  try {
    const broken = await brokenServices(pool, view, meant, locks);
    if (broken.length > 0 && isAccepted !== true) throw servicesWouldBreak(view, meant, broken);
    for (const one of broken) output.note(`breaks ${told(one)}`);
  } finally {
    await pool.end();
  }
}

async function seen(client: Client, view: string, command: VersionCommand): Promise<number | undefined> {
  const status = await queryStatus(client, view);
  return status === null ? undefined : versionOf(status, command);
}

function versionOf({ candidate, previous }: LifecycleStatus, command: VersionCommand): number | undefined {
  if (command === 'rollback') return previous?.isRolledBack === false ? previous.version : undefined;
  if (candidate?.waitsSinceMs != null) return candidate.version;
  return command === 'approve' && previous?.isRolledBack === true ? previous.version : undefined;
}

function version(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('expected the number of a version');
  return value;
}
