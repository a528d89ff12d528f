import {
  allHandlersFinished,
  condition,
  makeContinueAsNewFunc,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { answerCommands, hearingCancel } from '../command-handlers.ts';
import { failure } from '../failure.ts';
import { UPGRADES } from '../other-release.ts';
import { NotedCommands } from '../noted-commands.ts';
import { ownInstallation } from '../own-installation.ts';
import {
  appliedSignal,
  COMMAND_DESCRIPTIONS,
  engineSignal,
  type LifecycleInput,
  type LifecycleStatus,
  paritySignal,
  pauseUpdate,
  promoteUpdate,
  rebackfillUpdate,
  refreshUpdate,
  resumeUpdate,
  retireUpdate,
  retryUpdate,
  statusQuery,
} from './contract.ts';
import { checkLifecycleInput } from './input.ts';
import { LifecycleRunner } from './runner.ts';
import { isEngineNews } from './upgrade.ts';
import { carriedState, initialState, type LifecycleState } from './state.ts';
import { decide, nextRefreshAtMs, type Work } from './decide.ts';
import { decideSides, keptUntilMs } from './decide-sides.ts';
import { isApplied } from './flips.ts';
import type { WantedStream } from './stream-lanes.ts';
import type { PlainCommand } from './transition.ts';
import { answerVersionCommands } from './version-desk.ts';
import { refusal, statusOf } from './status.ts';

/** Marks, in a run's history, that it heard of what was applied. */
const APPLIED = 'applied';

/** Marks, in a run's history, that cancelling it paused: it retired the view, and dropped what was served, without a word. */
const CANCEL_PAUSES = 'cancel-pauses';

const UPDATES = {
  promote: promoteUpdate,
  pause: pauseUpdate,
  resume: resumeUpdate,
  refresh: refreshUpdate,
  rebackfill: rebackfillUpdate,
  retry: retryUpdate,
  retire: retireUpdate,
} as const satisfies Record<PlainCommand, unknown>;

/**
 * Owns one feature view through its life: validate → backfill → published → (promote) → catching up → proving → streaming, until it
 * is retired. Started with `{"view": "route_delays"}` on task queue `millrace`, workflow id `feature:route_delays`. `carried` is
 * for continue-as-new only. Cancelling the workflow pauses the view, and goes on in a new run: only `retire` drops anything. Returns the last status.
 */
export async function featureLifecycle(input: LifecycleInput, carried?: LifecycleState): Promise<LifecycleStatus> {
  const { view, options: asked } = checkLifecycleInput(input, workflowInfo().workflowId, ownInstallation());
  // Runs that began before promotions were proven end as they began; the next run of the same lifecycle proves.
  const options = patched('promotion-proof') ? asked : { ...asked, proofEntities: 0 };
  const { approval, autoApproveShare } = options;
  const fresh = initialState(view, options.shards, options.proofEntities, { approval, autoApproveShare });
  const runner = new LifecycleRunner(carried === undefined ? fresh : carriedState(carried, fresh), options);
  const notes = new NotedCommands(view, () => (runner.changed = true));
  notes.noteStart({ ...input.options });
  answerCommands<PlainCommand, LifecycleStatus>({
    notes,
    updates: UPDATES,
    descriptions: COMMAND_DESCRIPTIONS,
    refusal: (command) => refusal(runner.state, command),
    accept: (command) => runner.apply({ type: 'command', command }),
    status: () => statusOf(runner.state),
  });
  answerVersionCommands(runner, notes);
  setHandler(
    appliedSignal,
    (applied) => {
      if (isApplied(applied) && patched(APPLIED)) runner.takeApplied(applied);
    },
    { description: 'What the view is to become. Sent by `millrace apply`, and by `dev`.' },
  );
  setHandler(paritySignal, (report) => runner.apply({ type: 'parity', report }), {
    description: 'What an audit found. Sent by auditParity.',
  });
  setHandler(
    engineSignal,
    (news) => {
      if (isEngineNews(news) && patched(UPGRADES)) runner.apply({ type: 'engine', ...news });
    },
    { description: 'What semantics a worker has. Sent by workers while a version of earlier ones is served.' },
  );
  setHandler(statusQuery, () => statusOf(runner.state), {
    description: 'Where the view is in its life, and what it accepts.',
  });

  await hearingCancel(
    () => {
      if (patched(CANCEL_PAUSES)) {
        runner.cancel();
        notes.note('cancel', null, {}, { outcome: 'paused' });
        return 'goes-on';
      }
      runner.apply({ type: 'command', command: 'retire' });
      return 'ends';
    },
    `view "${view}" was retired by cancelling its workflow`,
    () => reconcile(runner, notes, { view, ...(input.options === undefined ? {} : { options: input.options }) }),
  );
  return statusOf(runner.state);
}

/** Makes what is going on what should be going on, again and again, until the view is retired. */
async function reconcile(runner: LifecycleRunner, notes: NotedCommands, input: LifecycleInput): Promise<void> {
  let fatal: { readonly error: unknown } | null = null;
  const onUnknownView = (error: unknown): void => {
    fatal = { error };
    runner.changed = true;
  };
  for (;;) {
    runner.changed = false;
    const ended = fatal as { readonly error: unknown } | null;
    if (ended !== null) {
      if (!notes.isDone) await condition(() => notes.isDone);
      throw endOf(ended.error);
    }
    const nowMs = Date.now();
    if (nowMs >= (keptUntilMs(runner.state) ?? Number.POSITIVE_INFINITY)) runner.apply({ type: 'kept-over' });
    const { toDecideOn } = runner;
    const work = decide(toDecideOn, nowMs);
    const sides = decideSides(toDecideOn);
    // While a run draws to its close nothing new is started: a running build or proof keeps it open.
    const closing = (runner.isCancelled || runner.carryOnDue()) && !runner.isBound;
    if (!work.build) runner.stopBuild();
    else if (!closing) runner.startBuild(onUnknownView);
    runner.streams.ensure(
      [...mainStream(runner.state, work), ...sides.streams.map((side) => ({ kind: 'stream' as const, ...side }))],
      !closing,
    );
    if (sides.judge === null) runner.beside.ensureJudge(null);
    else if (!closing) runner.beside.ensureJudge(runner.state.offered);
    if (sides.drop !== null && !closing && !runner.streams.has(sides.drop)) runner.beside.ensureDrop(sides.drop);
    const { previous } = runner.state;
    runner.beside.wakeAt(keptUntilMs(runner.state), `version ${previous?.version} is kept until then`);
    if (work.proof === null) runner.stopProof();
    else if (runner.state.live !== null && !closing) runner.ensureProof(runner.state.live);
    if (work.retire && runner.idle) {
      await runner.retire();
      await condition(allHandlersFinished);
      if (!notes.isDone) await condition(() => notes.isDone);
      return;
    }
    if (closing && runner.idle && !allHandlersFinished() && patched('carry-on-once-answered')) {
      // A command that came just now is still being answered, and nothing would wake us once it is.
      await condition(allHandlersFinished);
      continue;
    }
    if (closing && runner.idle && allHandlersFinished() && notes.isDone) {
      await makeContinueAsNewFunc<typeof featureLifecycle>()(input, runner.state);
    }
    await nextChange(runner);
  }
}

/** The stream of the served version that is to run; none, or one. */
function mainStream({ live }: LifecycleState, { stream }: Work): WantedStream[] {
  return stream === null || live === null ? [] : [{ kind: stream.kind, ...live }];
}

async function nextChange(runner: LifecycleRunner): Promise<void> {
  const dueAtMs = runner.idle ? nextRefreshAtMs(runner.state) : null;
  const changed = (): boolean => runner.changed;
  if (dueAtMs === null) await condition(changed);
  else await condition(changed, Math.max(1, dueAtMs - Date.now()), { summary: 'scheduled refresh' });
}

/** The failure a lifecycle ends with when there is no such view: nothing is held, the id is free for another start. */
function endOf(error: unknown): unknown {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error
    ? failure('unknown-view', cause.message, 'Correct the name, or run the definition and start again.')
    : error;
}
