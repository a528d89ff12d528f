/** What an audit is bounded by where its input does not say. */
export const AUDIT_READS = 100_000;
export const AUDIT_ENTITIES = 10_000;

/** What `auditParity` is started with: one JSON object. */
export interface AuditInput {
  readonly view: string;
  /** At most this many logged reads are replayed. Default 100,000; 0: none. */
  readonly reads?: number | undefined;
  /** At most this many entities of the live store are compared. Default 10,000; 0: none. */
  readonly entities?: number | undefined;
}

/** What a comparison is bounded by. */
export interface AuditBounds {
  readonly reads: number;
  readonly entities: number;
}

export type ParityVerdict = 'equal' | 'broken' | 'nothing-compared';

/** One entity that was served, or is stored, otherwise than the log says. Values are JSON, exact; of a long list or map `{ shortened: … }` says what differs. */
export interface AuditDifference {
  readonly number: number;
  readonly entity: Readonly<Record<string, unknown>>;
  readonly seq: number | null;
  readonly asOf: string | null;
  readonly requestId: string | null;
  readonly cause: string;
  readonly detail: string;
  readonly cells: readonly { readonly feature: string; readonly expected: unknown; readonly received: unknown }[];
  readonly records: readonly {
    readonly partition: number;
    readonly offset: number;
    readonly eventTime: string;
  }[];
}

/** What a comparison came to. All its differences stand in the catalog's table `parity_difference`; here are the first. */
export interface AuditSummary {
  readonly auditId: number;
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly verdict: ParityVerdict;
  /** The commit the newest comparison was made at. */
  readonly seq: number;
  readonly entities: number;
  readonly reads: number;
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  /** What was not compared, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly causes: Readonly<Record<string, number>>;
  readonly differences: readonly AuditDifference[];
  /** Of a version that earlier semantics of the engine built: what was last proven of it. */
  readonly lastProof?: string | undefined;
  readonly seconds: number;
}

/** The result of an audit whose view nobody is served: there is nothing to audit, which is no failure. */
export interface NothingToAudit {
  readonly view: string;
  readonly verdict: 'not-served';
  readonly reason: string;
}

export type AuditResultSummary = AuditSummary | NothingToAudit;

/** What a lifecycle is told of a comparison: the signal `parity`. */
export interface ParityReport {
  readonly auditId: number;
  readonly kind: 'audit' | 'promotion';
  readonly version: number;
  readonly verdict: ParityVerdict;
  readonly seq: number;
  readonly entities: number;
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  readonly causes: Readonly<Record<string, number>>;
  /** Reads of commits that a failover or a restore lost; absent where there were none. */
  readonly lostReads?: number | undefined;
  readonly bounds: AuditBounds;
  readonly atMs: number;
}

/** The report of a comparison. */
export function reportOf(
  summary: AuditSummary,
  kind: ParityReport['kind'],
  bounds: AuditBounds,
  atMs: number,
): ParityReport {
  const { auditId, version, verdict, seq, entities, cellsCompared, cellsDiffering, causes, skipped } = summary;
  const lostReads = skipped['lost-commit'] ?? 0;
  return {
    auditId,
    kind,
    version,
    verdict,
    seq,
    entities,
    cellsCompared,
    cellsDiffering,
    causes,
    ...(lostReads === 0 ? {} : { lostReads }),
    bounds,
    atMs,
  };
}
