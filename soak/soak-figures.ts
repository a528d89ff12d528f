import type { AuditSummary } from '../workflows/audit-parity/contract.ts';
import type { RestartCounts } from './restarts.ts';

/** What an audit of one view came to, as the table has it. */
export type AuditedView = Pick<
  AuditSummary,
  'view' | 'entities' | 'reads' | 'cellsCompared' | 'cellsDiffering' | 'skipped' | 'causes' | 'seconds'
>;

/** A planted fault, and what was made of it. */
export interface JudgedFault {
  readonly fault: string;
  readonly view: string;
  readonly cause: string;
  readonly isNamed: boolean;
  readonly reasons: readonly string[];
}

/** The soak's result; the fields of `--json`. */
export interface SoakFigures {
  /** Of the audits of all views before any fault was planted. */
  readonly cellsCompared: number;
  /** Of all audits, but for what a planted fault accounts for. */
  readonly cellsDiffering: number;
  readonly faultsPlanted: number;
  readonly faultsNamed: number;
  readonly restarts: number;
  readonly restartsByKind: RestartCounts;
  readonly seed: number;
  readonly seconds: number;
  readonly flightsSent: number;
  readonly paymentsSent: number;
  /** By the application; and of both, what was given up, and what was acknowledged and is not on its topic. */
  readonly decisionsSaid: number;
  readonly outcomesSaid: number;
  readonly saidDropped: number;
  readonly saidLost: number;
  /** On their topic; those that are lost there, changed, or made of nothing; and those that stand there once more. */
  readonly pairs: number;
  readonly pairsWrong: number;
  readonly pairsTwice: number;
  /** Of the export of decisions with their labels: its rows, and those that are not as they have to be, or lack. */
  readonly labelRows: number;
  readonly labelsWrong: number;
  readonly recordsDeletedFromTopics: number;
  readonly readsMade: number;
  readonly readsLogged: number;
  readonly readsDropped: number;
  /** Logged reads that an audit neither compared nor said why not. */
  readonly readsUnaccounted: number;
  /** Requests refused while a service was away, by the error's code. */
  readonly readsRefused: Readonly<Record<string, number>>;
  readonly audits: number;
  readonly auditSeconds: number;
  readonly views: readonly AuditedView[];
  readonly faults: readonly JudgedFault[];
}

/** Whether the soak shows what it is to show. */
export function isPassed(figures: SoakFigures, cells: number): boolean {
  return (
    figures.cellsDiffering === 0 &&
    figures.cellsCompared >= cells &&
    figures.readsUnaccounted === 0 &&
    figures.saidDropped === 0 &&
    figures.saidLost === 0 &&
    figures.pairs > 0 &&
    figures.pairsWrong === 0 &&
    figures.labelRows > 0 &&
    figures.labelsWrong === 0 &&
    figures.faultsNamed === figures.faultsPlanted
  );
}
