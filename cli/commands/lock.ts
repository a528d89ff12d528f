import { dirname } from 'node:path';
import type { Command } from 'commander';
import { LOCK_FILE } from '../../engine/define/feature-lock.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { type LockState, lockState, writeLock } from '../../engine/define/lock-file.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';

interface LockOptions extends CommonOptions {
  readonly check?: boolean | undefined;
  readonly to?: string | undefined;
}

/** Named in a message. */
const MOST_NAMED = 5;

/** `millrace lock`: what the features mean, for applications that read them. */
export function addLockCommand(program: Command): void {
  const command = program
    .command('lock')
    .description(`write ${LOCK_FILE}: the tag of every feature, which applications hold what is served against`)
    .option('--to <dir>', 'the folder it lies in (default: the one that holds the folder of definitions)')
    .option('--check', 'write nothing; fail where it is not there, or is not what would be written');
  withCommonOptions(command).action(async (options: LockOptions) => {
    const { output, features } = contextOf(options);
    const definitions = await loadDefinitions(features);
    const folder = options.to ?? dirname(definitions.folder);
    const found = options.check === true ? await lockState(definitions, folder) : await writeLock(definitions, folder);
    if (options.check === true && found.state !== 'same') throw outdated(folder, found);
    if (output.isJson) return output.json({ folder, file: LOCK_FILE, ...found, written: found.state !== 'same' });
    const count = [...definitions.views.values()].reduce((sum, view) => sum + view.layout.features.length, 0);
    if (found.state === 'same') return output.line(`${LOCK_FILE} is that of the definitions: ${count} features`);
    output.line(`wrote ${LOCK_FILE}: ${count} features${found.state === 'none' ? '' : `; changed: ${named(found)}`}`);
  });
}

function named({ features }: LockState): string {
  if (features.length === 0) return 'none of them (services, or the way it is written)';
  const more = features.length > MOST_NAMED ? ` and ${features.length - MOST_NAMED} more` : '';
  return `${features.slice(0, MOST_NAMED).join(', ')}${more}`;
}

function outdated(folder: string, found: LockState): MillraceError {
  const what =
    found.state === 'none'
      ? `there is no ${LOCK_FILE} in ${folder}`
      : `${LOCK_FILE} in ${folder} is not that of the definitions; what differs: ${named(found)}`;
  return new MillraceError('lock-outdated', what, {
    remedy: 'Write it ("millrace lock") and commit it with the definitions.',
    httpStatus: 409,
    details: { features: found.features },
  });
}
