import type { DerivedCode } from '../define/derived-code.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { ServiceScan } from '../parity/logged-service.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { JsonValue } from '../values/json-values.ts';
import type { ComparedFeature, DiffExample } from './diff-types.ts';

/** One of the two: a version of a service, or a definition of it that was not applied. */
export interface ServiceSide {
  /** Null of a definition. */
  readonly version: number | null;
  readonly code: DerivedCode;
}

export interface ServiceDiffOptions {
  readonly service: string;
  readonly before: ServiceSide;
  readonly after: ServiceSide;
  /** Where the layouts of what its views served are. */
  readonly pool: Queryable;
  /** The serving log. */
  readonly scan: ServiceScan;
  /** Records at most, each an entity of a request: else those with the smallest hashes of their requests' ids. Default 10,000. */
  readonly requests?: number | undefined;
  /** Served in [sinceUs, untilUs), epoch µs. Default: whenever. */
  readonly sinceUs?: number | undefined;
  readonly untilUs?: number | undefined;
  /** What it shares with the rest of the process. Default: the process's own. */
  readonly memory?: MemoryBudget | undefined;
}

/** A request of which another value is derived. Sensitive ones are hashed. */
export interface RequestExample extends DiffExample {
  readonly requestId: string;
  /** The time it was asked for, ISO. */
  readonly at: string;
  /** What the caller gave, by field, as it was logged. */
  readonly request: Readonly<Record<string, JsonValue>>;
}

/** So many of the cells of each of the two. */
export interface OfBoth {
  readonly before: number;
  readonly after: number;
}

/** How a derived feature that both have, of one type, differs. */
export interface ComparedDerived extends ComparedFeature<RequestExample> {
  readonly nulls: OfBoth;
  readonly failed: OfBoth;
}

/** What two versions of a service derive of the same reads and requests. */
export interface ServiceDiff {
  readonly service: string;
  readonly before: { readonly version: number | null; readonly fingerprint: string };
  readonly after: { readonly version: number | null; readonly fingerprint: string };
  /** When the first and the last of those compared was served, ISO; null where none was. */
  readonly servedFrom: string | null;
  readonly servedUntil: string | null;
  readonly requests: number;
  /** Entities of requests. */
  readonly records: number;
  /** False where not all that the log has were taken. */
  readonly isWhole: boolean;
  /** Those not compared, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly cells: number;
  readonly differing: number;
  /** That both derive, of one type; in the order of `after`. */
  readonly features: readonly ComparedDerived[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** That both derive, of two types: nothing of them can be equal. */
  readonly retyped: readonly { readonly feature: string; readonly before: string; readonly after: string }[];
}
