import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/create-activities.ts';
import type { PairsFigures } from '../../engine/pairs/pairs-status.ts';
import type { ArchivePlan, ArchiveSliceInput, ArchiveSliceSummary } from '../../workflows/archive-source/contract.ts';
import type { AuditResultSummary, AuditSummary } from '../../workflows/audit-parity/contract.ts';
import type { NotedCommand } from '../../workflows/noted-commands.ts';
import type {
  BackfillInput,
  SliceInput,
  SliceSummary,
  SwitchInput,
  SwitchSummary,
  ViewPlan,
} from '../../workflows/feature-lifecycle/contract.ts';
import { ScriptedRollout } from './scripted-rollout.ts';
import type { EvaluatedSummary, TrainJudgement } from '../../workflows/train-model/contract.ts';
import type { DiffSummary } from '../../workflows/feature-lifecycle/version-diff.ts';

/** What the scripted activities were asked, in order. */
export interface Call {
  readonly name: string;
  readonly input: unknown;
}

/** Activities under a test's control: for the workflow's own logic, where real ones would only be slow. */
export class ScriptedActivities {
  readonly calls: Call[] = [];
  /** What was noted of commands. */
  readonly noted: NotedCommand[] = [];
  cannotNote = false;
  plan: ViewPlan;
  /** Throws, or not, per activity: a test sets what fails. */
  failing: Readonly<Record<string, ApplicationFailure>> = {};
  /** What a backfill does first. */
  backfilling: ((input: BackfillInput) => Promise<void>) | null = null;
  /** What a flip, and a proof, do first. */
  switching: (() => Promise<void>) | null = null;
  proving: ((version: number) => Promise<void>) | null = null;
  /** What a slice that runs to the present end, or up to a superseding one, answers. */
  answer: (input: SliceInput) => SliceSummary | null = (input) =>
    input.until === 'present-end' ? { ended: 'present-end', records: 3, lag: 0, watermarkUs: 1_000_000 } : null;
  /** What a comparison comes to, of an audit and of a promotion. */
  audit: AuditResultSummary = auditSummary({});
  /** How a candidate differs from what is served. */
  diff: Pick<DiffSummary, 'differing'> & Partial<DiffSummary> = { differing: 0 };
  /** Null: equal, of the version that is asked about. */
  proof: AuditSummary | null = null;
  readonly rollout = new ScriptedRollout();
  archivePlan: ArchivePlan = { source: 'clicks', topic: 'clicks', generation: 0 };
  /** What a command that trains does first. */
  training: (signal: AbortSignal) => Promise<void> = async () => undefined;
  /** Whether it writes scores, and what its evaluation comes to. */
  hasScores = false;
  evaluation: EvaluatedSummary = {
    rows: 9,
    metrics: { logLoss: 0.4 },
    champion: null,
    notes: [],
    isMet: null,
    why: '',
  };
  /** What a trained model is held to be. */
  judgement: TrainJudgement = { metrics: { logLoss: 0.4 }, isMet: null, why: 'nothing is asked of it' };
  /** What an archive's slice answers; null: it runs until it is stopped. */
  archived: (input: ArchiveSliceInput) => ArchiveSliceSummary | null = () => null;
  #version = 0;
  /** Which version is served, and what a flip from it comes to. */
  #served: number | null = null;

  constructor(view: string) {
    this.plan = {
      view,
      fingerprint: 'fingerprint-1',
      entity: 'user',
      source: 'clicks',
      topic: 'clicks',
      history: null,
      features: ['n'],
      refreshMs: null,
      live: null,
      generation: 0,
    };
  }

  named(name: string): Call[] {
    return this.calls.filter((call) => call.name === name);
  }

  slices(): SliceInput[] {
    return this.named('runStreamSlice').map((call) => call.input as SliceInput);
  }

  /** As the engine does it: the version that was served is kept for its time. */
  #switched({ version, keepMs }: SwitchInput): SwitchSummary {
    const before = this.#served;
    this.#served = version;
    return {
      kept:
        before === null || before === version || keepMs === 0
          ? null
          : { version: before, untilMs: Date.now() + keepMs },
    };
  }

  activities(): Activities {
    const called = (name: string, input: unknown): void => {
      this.calls.push({ name, input });
      const failure = this.failing[name];
      if (failure !== undefined) throw failure;
    };
    return {
      resolveView: async (input) => {
        called('resolveView', input);
        return this.plan;
      },
      backfillView: async (input) => {
        called('backfillView', input);
        await this.backfilling?.(input);
        this.#version += 1;
        return { version: this.#version, rows: 100, entities: 10, counts: {} };
      },
      resolvePairs: async (input) => {
        called('resolvePairs', input);
        return {
          ...input,
          decisionsTopic: 'decisions',
          outcomesTopic: 'outcomes',
          topic: `pairs.${input.labelSet}`,
          generation: 0,
        };
      },
      runPairsSlice: async (input) => {
        called('runPairsSlice', input);
        const { ended, records } = await untilStopped(input);
        const { length } = this.named('runPairsSlice');
        return {
          ended: ended === 'deadline' ? ended : 'aborted',
          records,
          pairs: 1,
          lag: 0,
          figures: pairsFigures(length),
          waiting: null,
        };
      },
      fencePairs: async (input) => called('fencePairs', input),
      publishView: async (input) => called('publishView', input),
      flipView: async (input) => {
        called('flipView', input);
        this.#served = input.version;
      },
      evaluateDue: async (input) => {
        called('evaluateDue', input);
        const { length } = this.named('evaluateDue');
        const open = length % 3 === 0 ? [`alert ${length}`] : [];
        const told = { changes: open, events: open.length, open, openCount: open.length, waiting: 0 };
        return { now: `2026-06-01T${10 + (length % 10)}:00Z`, buckets: 1, behind: length === 1, ...told };
      },
      noteEvent: async (command) => {
        if (this.cannotNote) throw new Error('there is no database');
        this.noted.push(command);
      },
      switchVersion: async (input) => {
        called('switchVersion', input);
        await this.switching?.();
        return this.#switched(input);
      },
      dropVersion: async (input) => called('dropVersion', input),
      discardUnfinished: async (input) => called('discardUnfinished', input),
      retireView: async (input) => called('retireView', input),
      fenceStream: async (input) => called('fenceStream', input),
      runStreamSlice: async (input) => {
        called('runStreamSlice', input);
        return this.answer(input) ?? (await untilStopped(input));
      },
      exportTrainingSet: async (input) => {
        called('exportTrainingSet', input);
        return {
          service: input.service,
          mode: input.mode ?? 'event-time',
          out: input.out ?? '',
          manifest: '',
          rows: 1,
          sizeBytes: 1,
          sha256: '',
          features: [],
          comparison: null,
        };
      },
      auditView: async (input) => {
        called('auditView', input);
        return this.audit;
      },
      provePromotion: async (input) => {
        called('provePromotion', input);
        await this.proving?.(input.version);
        return this.proof ?? auditSummary({ version: input.version });
      },
      diffVersions: async (input) => {
        called('diffVersions', input);
        return {
          ...input,
          isWhole: true,
          atMs: 0,
          cells: 10,
          features: [],
          onlyBefore: [],
          onlyAfter: [],
          ...this.diff,
        };
      },
      resolveSource: async (input) => {
        called('resolveSource', input);
        return this.archivePlan;
      },
      runArchiveSlice: async (input) => {
        called('runArchiveSlice', input);
        const answer = this.archived(input);
        if (answer !== null) return answer;
        const { ended, records, lag } = await untilStopped(input);
        return { ended: ended === 'deadline' ? ended : 'aborted', records, files: 1, lag };
      },
      tendArchive: async (input) => {
        called('tendArchive', input);
        const { length } = this.named('tendArchive');
        const partition = {
          partition: 0,
          ranges: [{ from: 0, until: length }],
          rows: length,
          files: 1,
          holes: [],
          lag: 0,
        };
        return { partitions: [partition], mergedFiles: 2, rolledCommits: 3 };
      },
      fenceArchive: async (input) => called('fenceArchive', input),
      ...this.rollout.activities(called),
      checkTraining: async (input) => called('checkTraining', input),
      exportForTraining: async (input) => {
        called('exportForTraining', input);
        return { rows: 100, sizeBytes: 1_000, sha256: 'set', features: 2, split: null, immature: null };
      },
      runTrainingCommand: async (input) => {
        called('runTrainingCommand', input);
        await beating(this.training);
        return {
          modelBytes: 10,
          hasMetrics: true,
          hasScores: this.hasScores,
          codeSha256: 'code',
          seconds: 1,
          lines: 1,
          tail: ['done'],
        };
      },
      judgeTraining: async (input) => {
        called('judgeTraining', input);
        return this.judgement;
      },
      publishTrained: async (input) => {
        called('publishTrained', input);
        return { version: 7, isNew: true, sha256: 'model', alias: input.alias, unannounced: null };
      },
      evaluateTrained: async (input) => {
        called('evaluateTrained', input);
        return this.evaluation;
      },
      endTraining: async (input) => called('endTraining', input),
    };
  }
}

/** Of a label set of which so many pairs were made, and nothing else is to be told. */
function pairsFigures(pairs: number): PairsFigures {
  const none = { decisions: 0, outcomes: 0 };
  return {
    pairs,
    tooLarge: 0,
    held: none,
    unpaired: none,
    late: none,
    invalid: none,
    nullKey: none,
    lag: none,
    outbox: 0,
  };
}

/** A comparison as the engine gives it. */
export function auditSummary(more: Partial<AuditSummary>): AuditSummary {
  return {
    auditId: 1,
    view: 'clicks_1h',
    version: 1,
    fingerprint: 'fingerprint-1',
    verdict: 'equal',
    seq: 7,
    entities: 10,
    reads: 0,
    cellsCompared: 40,
    cellsDiffering: 0,
    skipped: {},
    causes: {},
    differences: [],
    seconds: 1,
    ...more,
  };
}

/** An endless slice: beats until it is cancelled or its budget is used up. */
async function untilStopped({ budgetMs }: { readonly budgetMs: number }): Promise<SliceSummary> {
  const { cancellationSignal, heartbeat } = Context.current();
  const beating = setInterval(() => heartbeat({ lag: 0 }), 50);
  const ended = await new Promise<'aborted' | 'deadline'>((resolve) => {
    const timer = setTimeout(() => resolve('deadline'), budgetMs);
    const stop = (): void => {
      clearTimeout(timer);
      resolve('aborted');
    };
    if (cancellationSignal.aborted) stop();
    else cancellationSignal.addEventListener('abort', stop, { once: true });
  });
  clearInterval(beating);
  return { ended, records: 1, lag: 0, watermarkUs: 2_000_000 };
}

/** Runs `work` with heartbeats, by which it hears of its cancellation. */
async function beating(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { cancellationSignal, heartbeat, cancelled } = Context.current();
  const timer = setInterval(() => heartbeat({}), 50);
  try {
    await Promise.race([work(cancellationSignal), cancelled]);
  } finally {
    clearInterval(timer);
  }
}

/** A failure as the real activities give it. */
export function scriptedFailure(
  code: string,
  about: { readonly engine?: number; readonly waits?: boolean } = { engine: 2 },
): ApplicationFailure {
  return ApplicationFailure.create({
    message: `scripted ${code}`,
    type: code,
    nonRetryable: true,
    details: [{ remedy: `mend ${code}`, ...about }],
  });
}

/** A rollout's id begins with its model. */
const modelOf = (rollout: string): string => rollout.slice(0, rollout.indexOf(':'));

/** One set of activities for many views, each under its own script: one worker serves a whole test file. */
export function activitiesOf(scripts: { get(view: string): { activities(): Activities } | undefined }): Activities {
  const of = (view: string): Activities => {
    const script = scripts.get(view);
    if (script === undefined) throw scriptedFailure('unknown-view');
    return script.activities();
  };
  return {
    // Also where there is no such view.
    noteEvent: async (command) => await scripts.get(command.subject)?.activities().noteEvent(command),
    evaluateDue: async (input) => await of('monitors').evaluateDue(input),
    resolveView: async (input) => await of(input.view).resolveView(input),
    backfillView: async (input) => await of(input.view).backfillView(input),
    publishView: async (input) => await of(input.view).publishView(input),
    flipView: async (input) => await of(input.view).flipView(input),
    switchVersion: async (input) => await of(input.view).switchVersion(input),
    dropVersion: async (input) => await of(input.view).dropVersion(input),
    discardUnfinished: async (input) => await of(input.view).discardUnfinished(input),
    retireView: async (input) => await of(input.view).retireView(input),
    fenceStream: async (input) => await of(input.view).fenceStream(input),
    runStreamSlice: async (input) => await of(input.view).runStreamSlice(input),
    auditView: async (input) => await of(input.view).auditView(input),
    provePromotion: async (input) => await of(input.view).provePromotion(input),
    diffVersions: async (input) => await of(input.view).diffVersions(input),
    resolveSource: async (input) => await of(input.source).resolveSource(input),
    runArchiveSlice: async (input) => await of(input.source).runArchiveSlice(input),
    tendArchive: async (input) => await of(input.source).tendArchive(input),
    fenceArchive: async (input) => await of(input.source).fenceArchive(input),
    resolvePairs: async (input) => await of(input.labelSet).resolvePairs(input),
    runPairsSlice: async (input) => await of(input.labelSet).runPairsSlice(input),
    fencePairs: async (input) => await of(input.labelSet).fencePairs(input),
    openModelRollout: async (input) => await of(input.asked.model).openModelRollout(input),
    watchModelRollout: async (input) => await of(input.asked.model).watchModelRollout(input),
    judgeModelRollout: async (input) => await of(input.asked.model).judgeModelRollout(input),
    moveModelRollout: async (input) => await of(modelOf(input.plan.rollout)).moveModelRollout(input),
    endModelRollout: async (input) => await of(modelOf(input.rollout)).endModelRollout(input),
    exportTrainingSet: async (input) => await of(input.service).exportTrainingSet(input),
    checkTraining: async (input) => await of(input.model).checkTraining(input),
    exportForTraining: async (input) => await of(input.model).exportForTraining(input),
    runTrainingCommand: async (input) => await of(input.model).runTrainingCommand(input),
    judgeTraining: async (input) => await of(input.model).judgeTraining(input),
    publishTrained: async (input) => await of(input.model).publishTrained(input),
    evaluateTrained: async (input) => await of(input.model).evaluateTrained(input),
    endTraining: async (input) => await of(input.model).endTraining(input),
  };
}
