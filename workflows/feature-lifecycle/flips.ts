import { isRecord } from '../json-input.ts';
import { iso } from '../page-text.ts';
import type { Applied, Candidate, LiveVersion, SwitchSummary, VersionCommand } from './contract.ts';
import { figuresOf, NO_FIGURES, type OfferedVersion, sideOf, type SideVersion } from './side-version.ts';
import { type LifecycleState, NO_FAILURES } from './state.ts';

/** A flip to a version beside the served one that has taken place. */
export interface Flipped {
  readonly command: VersionCommand;
  readonly version: number;
  readonly kept: SwitchSummary['kept'];
  readonly atMs: number;
}

/** True of a signal that says what it should: one from a person may not. */
export function isApplied(applied: unknown): applied is Applied {
  if (!isRecord(applied)) return false;
  const { applyNumber, fingerprint, approval } = applied;
  const isWhole = typeof applyNumber === 'number' && Number.isSafeInteger(applyNumber) && applyNumber >= 0;
  return (
    isWhole && typeof fingerprint === 'string' && fingerprint !== '' && (approval === undefined || approval === 'auto')
  );
}

/** The state once a definition was applied; one that was heard of, or is older, changes nothing. */
export function appliedHeard(state: LifecycleState, { applyNumber, fingerprint, approval }: Applied): LifecycleState {
  if (applyNumber <= (state.applied?.applyNumber ?? Number.NEGATIVE_INFINITY) || state.wants.retired) return state;
  const heard = { ...state, applied: { applyNumber, fingerprint, isAuto: approval === 'auto' } };
  if (isBuilding(state, fingerprint)) return heard;
  const { candidate } = state;
  return {
    ...heard,
    notice: null,
    candidate: null,
    leaving: candidate === null ? state.leaving : [...state.leaving, candidate.built.version],
    builds: state.builds + 1,
    wants: { ...state.wants, build: 'desired' },
    failures: { ...state.failures, build: null },
  };
}

/** Whether a definition is being built already: then that goes on. */
export function isBuilding({ build, plan, wants }: LifecycleState, fingerprint: string): boolean {
  // What is served is built anew by its own definition, whatever the newest one is.
  return (
    wants.build !== 'refresh' && build !== null && build.stage !== 'validating' && plan?.fingerprint === fingerprint
  );
}

/** What is wanted once a build is over: another, where that was asked for since it began. */
export function buildOver({ wants, builds }: LifecycleState, build: number): Pick<LifecycleState, 'wants' | 'builds'> {
  if (builds !== build) return { wants, builds };
  const { offersAgain = false, ...rest } = wants;
  return { wants: { ...rest, build: offersAgain ? 'desired' : null }, builds: builds + 1 };
}

/** The state with a built version that waits to be approved. */
export function offeredFor(
  state: LifecycleState,
  { built, fingerprint, topic }: Candidate,
  build: number,
  atMs: number,
): LifecycleState {
  const { applied, approval } = state;
  const isAuto = applied?.isAuto === true && applied.fingerprint === fingerprint;
  const waits: OfferedVersion = {
    ...NO_FIGURES,
    version: built.version,
    fingerprint,
    topic,
    semantics: built.semantics,
    rows: built.rows,
    entities: built.entities,
    publishedAtMs: 0,
    isStreaming: false,
    failure: null,
    sinceMs: atMs,
    ...(built.madeFrom === undefined ? {} : { madeFrom: built.madeFrom }),
    autoShare: isAuto ? 1 : approval.approval === 'auto' ? approval.autoApproveShare : null,
    judged: null,
  };
  return {
    ...state,
    offered: waits,
    candidate: null,
    ...buildOver(state, build),
    failures: { ...state.failures, build: null },
  };
}

/** The state without the version that waits: it is dropped once its stream has ended. */
export function withoutOffered(state: LifecycleState): LifecycleState {
  if (state.offered === null) return state;
  return { ...state, offered: null, leaving: [...state.leaving, state.offered.version] };
}

/** The state once the time of the version that was kept is over. */
export function keptOver(state: LifecycleState): LifecycleState {
  if (state.previous === null) return state;
  const { version } = state.previous;
  return {
    ...state,
    previous: null,
    leaving: [...state.leaving, version],
    notice: `Version ${version} was kept for its time, which is over: it goes.`,
  };
}

/** The state after a flip: the served version and the one beside it have changed places, with their streams, which run on. */
export function flipped(state: LifecycleState, { command, version, kept, atMs }: Flipped): LifecycleState {
  const side = sideOf(state, version);
  const ended = { ...state, flipping: null };
  if (side === null) return ended;
  const { live, previous } = state;
  const isKept = live !== null && kept?.version === live.version;
  const gone = [
    ...(live === null || isKept ? [] : [live.version]),
    ...(previous === null || previous.version === version ? [] : [previous.version]),
  ];
  return {
    ...ended,
    ...figuresOf(side),
    live: { ...servedOf(side), publishedAtMs: atMs },
    stream: side.isStreaming ? { kind: 'stream', version } : null,
    offered: state.offered === side ? null : state.offered,
    previous: isKept ? { ...asSide(state, live), untilMs: kept.untilMs, isRolledBack: command === 'rollback' } : null,
    leaving: [...state.leaving, ...gone],
    failures: { ...NO_FAILURES, build: state.failures.build },
    // They spoke of the version before.
    proof: null,
    parity: null,
    standing: null,
    refreshedAtMs: atMs,
    notice: told(version, kept, gone),
  };
}

function told(version: number, kept: SwitchSummary['kept'], gone: readonly number[]): string {
  const parts = [`Version ${version} is served.`];
  if (kept !== null) parts.push(`Version ${kept.version} is kept until ${iso(kept.untilMs)}, for \`rollback\`.`);
  if (gone.length > 0) parts.push(`Version ${gone.join(', ')} is not kept any more: it goes at once.`);
  return parts.join(' ');
}

function servedOf({ version, fingerprint, semantics, topic, rows, entities, publishedAtMs }: SideVersion): LiveVersion {
  return { version, fingerprint, semantics, topic, rows, entities, publishedAtMs };
}

function asSide(state: LifecycleState, live: LiveVersion): SideVersion {
  const isStreaming = state.stream?.kind === 'stream' && state.stream.version === live.version;
  return { ...live, ...figuresOf(state), isStreaming, failure: state.failures.stream };
}
