import { asActivity } from './activity-error.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { auditView, provePromotion } from './audit-view.ts';
import { backfillView } from './backfill-view.ts';
import { checkTraining } from './check-training.ts';
import { endTraining } from './end-training.ts';
import { evaluateDue } from './evaluate-due.ts';
import { evaluateTrained } from './evaluate-trained.ts';
import { exportForTraining } from './export-for-training.ts';
import { judgeTraining } from './judge-training.ts';
import { publishTrained } from './publish-trained.ts';
import { runTrainingCommand } from './run-training-command.ts';
import { diffVersions } from './diff-versions.ts';
import { discardUnfinished } from './discard-unfinished.ts';
import { dropVersion } from './drop-version.ts';
import { endModelRollout } from './end-model-rollout.ts';
import { exportTrainingSet } from './export-training-set.ts';
import { fenceArchive } from './fence-archive.ts';
import { fenceStream } from './fence-stream.ts';
import { judgeModelRollout } from './judge-model-rollout.ts';
import { moveModelRollout } from './move-model-rollout.ts';
import { noteEvent } from './note-event.ts';
import { openModelRollout } from './open-model-rollout.ts';
import { publishView } from './publish-view.ts';
import { resolveSource } from './resolve-source.ts';
import { resolveView } from './resolve-view.ts';
import { retireView } from './retire-view.ts';
import { resolvePairs } from './resolve-pairs.ts';
import { runArchiveSlice } from './run-archive-slice.ts';
import { fencePairs, runPairsSlice } from './run-pairs-slice.ts';
import { runStreamSlice } from './run-stream-slice.ts';
import { switchVersion } from './switch-version.ts';
import { tendArchive } from './tend-archive.ts';
import { watchModelRollout } from './watch-model-rollout.ts';

type FirstInput<A> = A extends (deps: ActivityDeps, input: infer Input) => unknown ? Input : never;
type Activity<A> = A extends (deps: ActivityDeps, input: never) => Promise<infer Result>
  ? (input: FirstInput<A>) => Promise<Result>
  : never;

/** All activities, bound to what they need. */
export interface Activities {
  readonly resolveView: Activity<typeof resolveView>;
  readonly backfillView: Activity<typeof backfillView>;
  readonly publishView: Activity<typeof publishView>;
  /** `publishView` by a name that workers of the first release do not know: they would put their own SQL over states of ours. */
  readonly flipView: Activity<typeof publishView>;
  readonly switchVersion: Activity<typeof switchVersion>;
  readonly dropVersion: Activity<typeof dropVersion>;
  readonly discardUnfinished: Activity<typeof discardUnfinished>;
  readonly retireView: Activity<typeof retireView>;
  readonly fenceStream: Activity<typeof fenceStream>;
  readonly runStreamSlice: Activity<typeof runStreamSlice>;
  readonly exportTrainingSet: Activity<typeof exportTrainingSet>;
  readonly auditView: Activity<typeof auditView>;
  readonly provePromotion: Activity<typeof provePromotion>;
  readonly diffVersions: Activity<typeof diffVersions>;
  readonly resolveSource: Activity<typeof resolveSource>;
  readonly runArchiveSlice: Activity<typeof runArchiveSlice>;
  readonly tendArchive: Activity<typeof tendArchive>;
  readonly fenceArchive: Activity<typeof fenceArchive>;
  readonly resolvePairs: Activity<typeof resolvePairs>;
  readonly runPairsSlice: Activity<typeof runPairsSlice>;
  readonly fencePairs: Activity<typeof fencePairs>;
  readonly evaluateDue: Activity<typeof evaluateDue>;
  readonly noteEvent: Activity<typeof noteEvent>;
  readonly openModelRollout: Activity<typeof openModelRollout>;
  readonly watchModelRollout: Activity<typeof watchModelRollout>;
  readonly judgeModelRollout: Activity<typeof judgeModelRollout>;
  readonly moveModelRollout: Activity<typeof moveModelRollout>;
  readonly endModelRollout: Activity<typeof endModelRollout>;
  readonly checkTraining: Activity<typeof checkTraining>;
  readonly exportForTraining: Activity<typeof exportForTraining>;
  readonly runTrainingCommand: Activity<typeof runTrainingCommand>;
  readonly judgeTraining: Activity<typeof judgeTraining>;
  readonly publishTrained: Activity<typeof publishTrained>;
  readonly evaluateTrained: Activity<typeof evaluateTrained>;
  readonly endTraining: Activity<typeof endTraining>;
}

/**
 * The activities of a worker.
 *
 * @example
 * const worker = await Worker.create({ taskQueue: TASK_QUEUE, activities: createActivities(deps) });
 */
export function createActivities(deps: ActivityDeps): Activities {
  return {
    resolveView: asActivity('by-error', (input) => resolveView(deps, input)),
    backfillView: asActivity('by-error', (input) => backfillView(deps, input)),
    publishView: asActivity('by-error', (input) => publishView(deps, input)),
    flipView: asActivity('by-error', (input) => publishView(deps, input)),
    switchVersion: asActivity('by-error', (input) => switchVersion(deps, input)),
    dropVersion: asActivity('by-error', (input) => dropVersion(deps, input)),
    discardUnfinished: asActivity('by-error', (input) => discardUnfinished(deps, input)),
    retireView: asActivity('always', (input) => retireView(deps, input)),
    fenceStream: asActivity('always', (input) => fenceStream(deps, input)),
    runStreamSlice: asActivity('by-error', (input) => runStreamSlice(deps, input)),
    exportTrainingSet: asActivity('by-error', (input) => exportTrainingSet(deps, input)),
    auditView: asActivity('by-error', (input) => auditView(deps, input)),
    provePromotion: asActivity('by-error', (input) => provePromotion(deps, input)),
    diffVersions: asActivity('by-error', (input) => diffVersions(deps, input)),
    resolveSource: asActivity('by-error', (input) => resolveSource(deps, input)),
    runArchiveSlice: asActivity('by-error', (input) => runArchiveSlice(deps, input)),
    tendArchive: asActivity('by-error', (input) => tendArchive(deps, input)),
    fenceArchive: asActivity('always', (input) => fenceArchive(deps, input)),
    resolvePairs: asActivity('by-error', (input) => resolvePairs(deps, input)),
    runPairsSlice: asActivity('by-error', (input) => runPairsSlice(deps, input)),
    fencePairs: asActivity('always', (input) => fencePairs(deps, input)),
    evaluateDue: asActivity('by-error', (input) => evaluateDue(deps, input)),
    noteEvent: asActivity('always', (input) => noteEvent(deps, input)),
    openModelRollout: asActivity('by-error', (input) => openModelRollout(deps, input)),
    watchModelRollout: asActivity('by-error', (input) => watchModelRollout(deps, input)),
    judgeModelRollout: asActivity('by-error', (input) => judgeModelRollout(deps, input)),
    moveModelRollout: asActivity('by-error', (input) => moveModelRollout(deps, input)),
    endModelRollout: asActivity('by-error', (input) => endModelRollout(deps, input)),
    checkTraining: asActivity('by-error', (input) => checkTraining(deps, input)),
    exportForTraining: asActivity('by-error', (input) => exportForTraining(deps, input)),
    runTrainingCommand: asActivity('by-error', (input) => runTrainingCommand(deps, input)),
    judgeTraining: asActivity('by-error', (input) => judgeTraining(deps, input)),
    publishTrained: asActivity('by-error', (input) => publishTrained(deps, input)),
    evaluateTrained: asActivity('by-error', (input) => evaluateTrained(deps, input)),
    endTraining: asActivity('always', (input) => endTraining(deps, input)),
  };
}
