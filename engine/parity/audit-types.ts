import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import type { ServiceCode } from '../define/derived-code.ts';
import type { VersionCode } from '../define/version-code.ts';
import type { Clock } from '../values/clock.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { ParityDifference, ParityKind, StoredAudit } from '../postgres/parity-audits.ts';

export interface AuditLimits {
  /** Logged reads compared at most: all reads of a stable sample of entities. Default 100,000. */
  readonly reads?: number | undefined;
  /** Stored states compared at most, a stable sample by key hash, beside those whose reads are; 0: none at all. Default 10,000; promotion 200,000. */
  readonly entities?: number | undefined;
  /** Differing entities whose cause is looked for at most. Default 100; all differing cells are counted. */
  readonly differences?: number | undefined;
}

export interface AuditOptions {
  /** Whose live version is audited. */
  readonly view: string;
  /** Each version is replayed by its own. */
  readonly code: VersionCode;
  /** The code of what services derive, whose logged values are derived once more with the first of their views. Left out: they are not compared. */
  readonly serviceCode?: ServiceCode | undefined;
  readonly pool: pg.Pool;
  /** `withArchive(…)` for logs that reach back further than the topic; null for a view without a topic and no serving log. */
  readonly reader: LogReader | null;
  /** Where rolled commit records are; null where there is no archive. */
  readonly archiveDir: string | null;
  /** The topic of the serving log; null: stored states only. */
  readonly servedTopic: string | null;
  readonly kind: ParityKind;
  readonly limits?: AuditLimits | undefined;
  /** Folder for what does not fit in memory. */
  readonly spillDir: string;
  /** What it shares with the rest of the process; it waits for its least of it, and takes fewer entities where their states would not fit. Default: the process's own. */
  readonly memory?: MemoryBudget | undefined;
  /** Called where it waits for memory, with what for; with null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Called at least once a second while records pass. */
  readonly onProgress?: ((progress: AuditProgress) => void) | undefined;
}

export interface AuditProgress {
  readonly phase: 'served-reads' | 'snapshot' | 'replay' | 'diagnosis' | 'derived';
  /** Records passed in this phase. */
  readonly done: number;
  /** Null while unknown. */
  readonly total: number | null;
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
}

/** The outcome of an audit, as JSON has it. */
export interface AuditResult extends Omit<StoredAudit, 'startedAtUs' | 'finishedAtUs'> {
  readonly differences: readonly ParityDifference[];
  /** Of a version that can be replayed no more: what was last proven of it. */
  readonly lastProof?: string | undefined;
  readonly seconds: number;
}

/** The same, and what it was replayed by: the live version's code first; none where nothing was replayed. */
export interface AuditOutcome extends AuditResult {
  readonly replayedBy: readonly CompiledView[];
}
