import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { grouped } from '../page-text.ts';
import { objectOf, optionalFlagOf, optionalTextOf, optionalWholeOf } from '../json-input.ts';
import type { VersionCommand, VersionCommandInput } from './contract.ts';
import { isReady } from './decide-sides.ts';
import { lagOf, type SideVersion } from './side-version.ts';
import type { LifecycleState } from './state.ts';

/** Why a command about a version cannot be accepted, and the way out. */
export interface VersionRefusal {
  readonly code: MillraceErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** What a command comes to: nothing, as it is so already; the flip that is under way; or work on a version. */
export type Meant = { readonly is: 'so' | 'under-way' } | { readonly side: SideVersion } | VersionRefusal;

const HOW_TO_LOOK = 'See with "millrace versions" what there is, and name the version that is meant.';

/** Checks what a command about a version was sent with: anything. Throws `invalid-input`. */
export function checkVersionInput(command: VersionCommand, given: unknown): VersionCommandInput {
  const input = objectOf(given ?? {}, ['version', 'stale', 'break', 'actor'], '{"version":2}');
  return {
    version: optionalWholeOf(input, 'version', 1) ?? undefined,
    stale: command === 'rollback' ? optionalFlagOf(input, 'stale') : undefined,
    break: command === 'approve' ? optionalFlagOf(input, 'break') : undefined,
    actor: optionalTextOf(input, 'actor'),
  };
}

/** The version that a command is about now, or why there is none. */
export function meantBy(state: LifecycleState, command: VersionCommand, { version }: VersionCommandInput): Meant {
  const { view, wants, live, flipping } = state;
  const refused = (message: string): VersionRefusal => ({
    code: 'command-refused',
    message: `${command}: ${message}`,
    remedy: 'See what "status" says is accepted now.',
  });
  if (wants.retired) return refused(`view "${view}" is being retired: start its lifecycle anew to use it again`);
  if (version !== undefined && version === live?.version && command !== 'discard') return { is: 'so' };
  if (flipping !== null) {
    const isSame = flipping.command === command && (version ?? flipping.version) === flipping.version;
    if (isSame) return { is: 'under-way' };
    return refused(`readers are being flipped to version ${flipping.version} right now`);
  }
  if (wants.paused && command !== 'discard') return refused('the view is paused: send resume first');
  const side = sideFor(state, command, version);
  if (side === null) return nothingFor(state, command);
  if (version !== undefined && version !== side.version)
    return {
      code: 'not-the-candidate',
      message: `view "${view}": ${command} is about version ${side.version}, received version ${version}`,
      remedy: HOW_TO_LOOK,
    };
  return command === 'approve' && !isReady(state, side) ? behind(state, side) : { side };
}

/** What waits is approved; else what readers were flipped back from, once more. */
function sideFor({ offered, previous }: LifecycleState, command: VersionCommand, version?: number): SideVersion | null {
  if (command === 'discard') return offered;
  if (command === 'rollback') return previous?.isRolledBack === false ? previous : null;
  const again = previous?.isRolledBack === true ? previous : null;
  return again !== null && again.version === version ? again : (offered ?? again);
}

function nothingFor({ view, previous }: LifecycleState, command: VersionCommand): VersionRefusal {
  if (command !== 'rollback')
    return {
      code: 'no-candidate',
      message: `view "${view}": no version is built and waits to be served`,
      remedy:
        'Apply a definition, or send "rebackfill": a version of another definition than the served one waits to be approved.',
    };
  return {
    code: 'no-previous',
    message:
      previous === null
        ? `view "${view}": no version is kept that readers could be flipped back to`
        : `view "${view}": version ${previous.version} is what readers were flipped back from`,
    remedy:
      previous === null
        ? 'Run the definition of then and send "rebackfill": it is built anew.'
        : 'Send "approve" to flip readers to it again.',
  };
}

function behind({ view, shards }: LifecycleState, side: SideVersion): VersionRefusal {
  const { version, failure, caughtUp } = side;
  if (failure !== null)
    return {
      code: 'candidate-behind',
      message: `view "${view}": the stream of version ${version} has stopped (${failure.code}): ${failure.message}`,
      remedy: `${failure.remedy} Then send "retry".`,
    };
  const lag = lagOf(side);
  return {
    code: 'candidate-behind',
    message: `view "${view}": version ${version} has not caught up: ${caughtUp.length} of ${shards} shards have, ${lag === null ? 'none has said how far it is' : `${grouped(lag)} records are left`}`,
    remedy: 'Wait until it has: "millrace versions" and the page of the workflow show how far it is.',
  };
}
