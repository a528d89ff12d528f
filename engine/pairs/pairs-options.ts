import type pg from 'pg';
import type { CompiledSource, Row } from '../define/compiled-view.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import {
  DEFAULT_SLICE_LIMITS,
  type SliceLimits,
  type SliceOptions,
  type SliceProgress,
} from '../slice/slice-options.ts';
import type { Waiting } from '../slice/wait-watch.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { LogWriter } from '../topic/log-writer.ts';
import { DEFAULT_OUTBOX_BOUNDS, type OutboxBounds, type OutboxFailPoint, type OutboxLimits } from './outbox.ts';

/** The two logs that are joined. */
export const SIDES = ['decisions', 'outcomes'] as const;
export type Side = (typeof SIDES)[number];

/** What of a compiled label set decides its pairs. */
export interface PairRule {
  readonly name: string;
  /** Stands for all that decides its labels. */
  readonly tag: string;
  readonly decisions: CompiledSource;
  readonly outcomes: CompiledSource;
  /** Whether outcomes name the decision; else both sides are joined by keys of the user's. */
  readonly isByDecision: boolean;
  /** What a record is joined by; null: by nothing. Pushes a reason where the function fails. */
  readonly decisionKey: (row: Row, reasons: string[]) => string | null;
  readonly outcomeKey: (row: Row, reasons: string[]) => string | null;
  /** An outcome counts up to so long after the decision, inclusive. */
  readonly horizonUs: number;
}

/** Bounds of a joiner's work; each has a default. */
export interface PairsLimits extends SliceLimits {
  /** A transaction has at most so many records of one side … */
  readonly batchRecords: number;
  /** … and bytes of memory of them, one record at least; it waits this long for more. */
  readonly batchBytes: number;
  readonly batchMs: number;
  /** Where the last one made more pairs, the next one has fewer records. */
  readonly batchPairs: number;
  /** How often the ends of the topics are looked up. */
  readonly boundsEveryMs: number;
  /** How often what can pair no more is removed, and how much in one step. */
  readonly sweepEveryMs: number;
  readonly sweepRows: number;
  /** Of records held of one side: beyond it, it is not read on until the other side has caught up. */
  readonly heldBytes: number;
  /** Dead letters kept; of more the oldest go, and stay counted. */
  readonly deadLetters: number;
  readonly outbox: OutboxBounds;
  readonly sender: Partial<OutboxLimits>;
}

export const DEFAULT_PAIRS_LIMITS: PairsLimits = {
  ...DEFAULT_SLICE_LIMITS,
  batchRecords: 2_000,
  batchBytes: 8 * 1024 * 1024,
  batchMs: 50,
  batchPairs: 20_000,
  boundsEveryMs: 5_000,
  sweepEveryMs: 1_000,
  sweepRows: 5_000,
  heldBytes: 8 * 1024 ** 3,
  deadLetters: 10_000,
  outbox: DEFAULT_OUTBOX_BOUNDS,
  sender: {},
};

/** Points of the loop at which a test may make it fail: what is thrown there is treated as the process dying there. */
export type PairsFailPoint = 'after-fetch' | 'after-cas' | 'before-commit' | 'after-commit' | 'after-sweep';

/** What a joiner is told. */
export interface RunPairsOptions extends SliceOptions {
  readonly rule: PairRule;
  /** The topic of its pairs. */
  readonly topic: string;
  readonly pool: pg.Pool;
  /** Of both logs, as far back as there is a reader for. */
  readonly reader: LogReader;
  /** Of the topic of pairs itself, not of its archive. */
  readonly pairsReader: LogReader;
  readonly writer: LogWriter;
  readonly limits?: Partial<PairsLimits> | undefined;
  /** What records and ids are counted in. Default that of the process. */
  readonly memory?: MemoryBudget | undefined;
  /** Called every `progressEveryMs`, whatever the run waits for. What it throws ends the run. */
  readonly onProgress?: ((progress: PairsProgress) => void) | undefined;
  /** For tests. */
  readonly failAt?: ((point: PairsFailPoint | OutboxFailPoint) => void | Promise<void>) | undefined;
}

/** How a run goes: of both sides together, and of each. */
export interface PairsProgress extends Pick<SliceProgress, 'records' | 'lag' | 'held' | 'recordsPerSecond' | 'turns'> {
  readonly state: SliceProgress['state'];
  readonly waitingFor?: string | undefined;
  readonly waiting?: Waiting | null | undefined;
  /** Made by this run, and acknowledged by the topic. */
  readonly pairs: number;
  readonly sent: number;
}

/** How a run ended. */
export interface PairsResult {
  readonly ended: 'deadline' | 'aborted' | 'present-end' | 'superseded';
  readonly records: number;
  readonly pairs: number;
  readonly sent: number;
  readonly lag: number;
  readonly waiting: Waiting | null;
}

/** Under what name its ids and dead letters are kept. No view can have it. */
export function pairsOwner(labelSet: string): string {
  return `pairs:${labelSet}`;
}

/** Of the two that rows are kept for, there is one version. */
export const PAIRS_VERSION = 1;
