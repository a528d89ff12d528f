import {
  allHandlersFinished,
  condition,
  makeContinueAsNewFunc,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { EVALUATE, evaluating } from '../activity-profiles.ts';
import { boundedPage } from '../bounded.ts';
import { hearingCancel } from '../command-handlers.ts';
import { failureOf } from '../failure.ts';
import { failedText, grouped } from '../page-text.ts';
import { type MonitorsInput, type MonitorsStatus, monitorsStatusQuery, stopMonitorsUpdate } from './contract.ts';
import { checkMonitorsInput, type MonitorsSettings } from './input.ts';

const CHANGES_SHOWN = 20;

/** What goes on in the next run: plain JSON. */
export interface MonitorsState extends MonitorsStatus {
  readonly changes: readonly string[];
}

const BEGIN: MonitorsState = {
  phase: 'watching',
  now: null,
  buckets: 0,
  events: 0,
  open: [],
  openCount: 0,
  waiting: 0,
  error: null,
  changes: [],
};

/**
 * Evaluates the monitors of an installation, each minute what is due, for ever. Started with `{}` on task queue `millrace`, workflow id `monitors`; a second
 * start is refused by Temporal and harmless. `carried` is for continue-as-new only. Cancelling it, or the update `stop`, ends it; what was not evaluated
 * is, once it is started again. Returns the last status.
 */
export async function watchMonitors(input: MonitorsInput, carried?: MonitorsState): Promise<MonitorsStatus> {
  const { workflowId, taskQueue } = workflowInfo();
  const settings = checkMonitorsInput(input, workflowId, taskQueue);
  let state = carried ?? BEGIN;
  let isStopping = false;
  const show = (next: MonitorsState): void => {
    state = next;
    setCurrentDetails(boundedPage(pageOf(state)));
  };
  show(state);
  setHandler(monitorsStatusQuery, () => statusOf(state), {
    description: 'What is open, and until when it was evaluated.',
  });
  setHandler(
    stopMonitorsUpdate,
    () => {
      isStopping = true;
      return statusOf({ ...state, phase: 'stopped' });
    },
    { description: 'End the evaluation. Started again, it goes on where it stopped.' },
  );
  const hasEnded = (): boolean => isStopping;
  await hearingCancel(
    () => {
      isStopping = true;
      return 'ends';
    },
    'the evaluation of monitors was stopped by cancelling its workflow',
    async () => {
      while (!hasEnded()) {
        if (isLong(settings)) {
          await condition(allHandlersFinished);
          if (!hasEnded()) await makeContinueAsNewFunc<typeof watchMonitors>()(input, state);
        }
        const next = await evaluated(state, settings);
        show(next.state);
        if (!next.behind) await condition(hasEnded, settings.everySeconds * 1000);
      }
      await condition(allHandlersFinished);
    },
  );
  show({ ...state, phase: 'stopped' });
  return statusOf(state);
}

/** A failure is said, and the next minute tries again: nothing is lost by it but time. */
async function evaluated(
  state: MonitorsState,
  { clock, allowedLatenessMs, watchFromMs }: MonitorsSettings,
): Promise<{ readonly state: MonitorsState; readonly behind: boolean }> {
  try {
    const told = await evaluating.evaluateDue.executeWithOptions({ ...EVALUATE, summary: 'evaluate what is due' }, [
      // Ever greater, over runs that were stopped and started again too.
      { clock, allowedLatenessMs, watchFromMs, generation: Date.now() },
    ]);
    const { now, buckets, events, changes, open, openCount, waiting, behind } = told;
    return {
      state: {
        phase: 'watching',
        now,
        buckets: state.buckets + buckets,
        events: state.events + events,
        open,
        openCount,
        waiting,
        error: null,
        changes: [...changes.toReversed(), ...state.changes].slice(0, CHANGES_SHOWN),
      },
      behind,
    };
  } catch (error) {
    return { state: { ...state, phase: 'failing', error: failureOf(error, 'evaluating', Date.now()) }, behind: false };
  }
}

function isLong({ maxHistoryEvents }: MonitorsSettings): boolean {
  const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged, historyLength } = workflowInfo();
  const isOver = maxHistoryEvents !== null && historyLength >= maxHistoryEvents;
  return continueAsNewSuggested || targetWorkerDeploymentVersionChanged || isOver;
}

function statusOf({ phase, now, buckets, events, open, openCount, waiting, error }: MonitorsState): MonitorsStatus {
  return { phase, now, buckets, events, open, openCount, waiting, error };
}

function pageOf({ phase, now, buckets, events, open, openCount, waiting, error, changes }: MonitorsState): string {
  const lines = [
    `### monitors: ${phase}`,
    '',
    `- Monitor time: **${now ?? 'no source has told any'}**`,
    `- Evaluated by this workflow: **${grouped(buckets)}** buckets, told **${grouped(events)}** changes of alerts`,
    `- Open alerts: **${grouped(openCount)}**`,
  ];
  if (waiting > 0) lines.push(`- Changes that wait to be sent to their topic: **${grouped(waiting)}**`);
  if (error !== null) lines.push('', ...failedText(error));
  if (open.length > 0) lines.push('', '**Open**:', '', ...open.map((text) => `- ${text}`));
  if (changes.length > 0) lines.push('', '**So far**, newest first:', '', ...changes.map((text) => `- ${text}`));
  lines.push('', 'In a terminal: `millrace monitor`.');
  return lines.join('\n');
}
