import type { Abouts } from './about.ts';
import type { DerivedPlan } from '../derived/derive-step.ts';
import type { FieldPlan } from '../contract/field-plan.ts';
import type { CarriedCode, CarriedService } from './carried-code.ts';
import type { CompiledContract, Row } from '../contract/compiled-contract.ts';
import type { CompiledMonitor } from './compiled-monitor.ts';
import type { CompiledLabelSet } from './compiled-label-set.ts';
import type { ObservedFields } from './observed-fields.ts';
import type { HistorySample } from './history-sample.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from './view-layout.ts';
import type { ViewTags } from './view-tags.ts';

export type { CompiledContract, Row } from '../contract/compiled-contract.ts';

/** A record that passed decode, contract, `until` and dedupe. Mutable on purpose: drivers reuse one object per record batch slot. */
export interface LogEvent {
  row: Row;
  eventTimeUs: number;
  /** The event id as a string (ints in decimal), or null where the source declares none. */
  id: string | null;
  /** History is partition -1, its offset the position by (file name, row). */
  partition: number;
  offset: number;
  /** Which record of its partition it is in the scan at hand, from 0; of history its position. What the invalid limit counts by. */
  number: number;
}

/** What a view makes of an event: its key and the input of every slot. */
export interface PreparedEvent {
  /** Canonical text of the join key values, unique per entity, usable as a Map key. */
  keyText: string;
  /** Join key values in layout order. */
  key: readonly ScalarValue[];
  /** True where the driver copies what it keeps of `key`: it is written in place, and `keyText` is left alone. */
  readonly keyInPlace?: true;
  eventTimeUs: number;
  id: string | null;
  partition: number;
  offset: number;
  /** Per slot of the layout: the input value, `null` to skip; for `count()` of rows: `true`. Then what some slots take beside it (`slotInputs`). */
  inputs: ScalarValue[];
}

/** `prepare` outcomes that are not events: dropped by `where`, no join key, or a row function that failed (dead letter). */
export type PrepareOutcome = 'ok' | 'filtered' | 'null-key' | { readonly invalid: readonly string[] };

/** How the CSV files of a history are written; quotes are `"`, doubled within a quoted field. */
export interface CsvDialect {
  /** One character of ASCII. */
  readonly delimiter: string;
  /** The decimal sign of numbers. */
  readonly decimal: '.' | ',';
}

export interface PathLines {
  readonly rest: CompiledContract;
  readonly own: ReadonlyMap<string, CompiledContract>;
}

export interface CompiledHistory {
  /** Absolute glob of the files. */
  readonly path: string;
  /** The event time (µs) history ends at, exclusive. */
  readonly untilUs: number | null;
  /** Whether it is known to share no event with the topic. */
  readonly disjoint: boolean;
  /** Fields whose values are folders `name=value` of the files' paths. Default none. */
  readonly partitions?: readonly string[] | undefined;
  /** With partitions, how lines of JSONL are read: the fields that are in the lines alone, and each that is in the path, where a line has it, too. */
  readonly lines?: PathLines | undefined;
  /** Default: commas, and a point. */
  readonly csv?: CsvDialect | undefined;
}

export interface CompiledSource {
  readonly name: string;
  /** What its records are, where the contract holds them to rules of their own. */
  readonly says?: 'decisions' | 'outcomes' | undefined;
  readonly contract: CompiledContract;
  readonly eventTimeField: string;
  /** Which midnight of the event time counts, where that is a date. */
  readonly eventTimeAt?: 'start' | 'end' | undefined;
  readonly eventIdField: string | null;
  readonly topic: string | null;
  /** Names of the record headers the contract names: archived, not seen by row functions. Default none. */
  readonly headers?: readonly string[] | undefined;
  readonly history: CompiledHistory | null;
  /** Fields whose values are hashed where they are shown. Default none. */
  readonly sensitive?: readonly string[] | undefined;
  /** Dedupe horizon in µs, default 24 h. */
  readonly dedupeHorizonUs: number;
  /** How far an event time may lie ahead of what it is held against (design §5, time guard), µs, default 1 h; Infinity: no guard. */
  readonly maxAheadUs: number;
  /** `none`: a record without a broker timestamp is believed. */
  readonly brokerTime: 'record' | 'none';
  /** Digits finer than a microsecond are cut off; without it they make a row invalid, and types that hide them are refused. */
  readonly finerThanMicros?: 'truncate' | undefined;
  /** A driver stops when more than `rate` times `window` of the last `window` records were invalid. Default 0.1 of 1000. */
  readonly invalidLimit: { readonly rate: number; readonly window: number };
  /** What its records are told apart by where they are monitored, beside their partition. Default: nothing. */
  readonly segments?: readonly CompiledSegment[] | undefined;
  /** Bytes that its monitors may take; 0: it is not monitored. Default 256 MB. */
  readonly monitorBytes?: number | undefined;
}

/** A part of the records of a source, or of the entities of a view or service. */
export interface CompiledSegment {
  readonly name: string;
  /** The segment's value for a row; null: it belongs to none. May throw where it is the user's function. */
  readonly of: (row: Row) => unknown;
}

/** What a feature is made of, as text: a field's name, or the source text of a row function. */
export interface FeatureInputs {
  /** Null for `count()`. */
  readonly value: string | null;
  /** The y of `minBy` and `maxBy`. */
  readonly order: string | null;
  /** What `.by` divides its events by. */
  readonly category: string | null;
  /** Its own `where`. */
  readonly condition: string | null;
}

/** Of a feature that nothing is known of. */
export const NO_INPUTS: FeatureInputs = { value: null, order: null, category: null, condition: null };

/** A definition made ready to run: hot-path closures plus the layout readers need. */
export interface CompiledView {
  readonly name: string;
  readonly layout: ViewLayout;
  /** Hex sha-256 over code, contract and engine semantics (design §4). */
  readonly fingerprint: string;
  /** What its features and its states are told by. */
  readonly tags?: ViewTags | undefined;
  /** What the release of the semantics before gave this very definition: its versions are known by it. Worked out when asked for. */
  readonly fingerprintBefore?: (() => Promise<string>) | undefined;
  /** What a bundle of it is made of; absent where it was made in memory, or comes of a bundle itself. */
  readonly carried?: CarriedCode | undefined;
  readonly source: CompiledSource;
  /** Per feature of the layout, what it is made of. */
  readonly featureInputs?: readonly FeatureInputs[] | undefined;
  /** Which fields its functions read of sampled rows and of these; worked out when asked for (`observedFields`). Absent where no definition is at hand. */
  readonly observe?: ((rows: readonly Row[]) => ObservedFields) | undefined;
  /** The code of the layout's derived features, in their order. Default: it has none. */
  readonly derived?: readonly DerivedPlan[] | undefined;
  /** Parts of the key that its values are told apart by where they are monitored. Default: none. */
  readonly segments?: readonly string[] | undefined;
  /** Refresh period in ms while published and not streaming; null = by hand. */
  readonly refreshMs: number | null;
  /** where → key → slot inputs, into `out` (reused by the caller). Never throws: a failing row function is `{invalid}`. */
  prepare(event: LogEvent, out: PreparedEvent): PrepareOutcome;
}

/** What a service has under one name: a view, plain or in a role. */
export interface ServiceBlock {
  /** The view's name, or the role's. */
  readonly name: string;
  readonly view: CompiledView;
  /** Per join key of the view, in layout order: the name it goes by. */
  readonly columns: readonly string[];
  /** Of what a service has of its own, where that is read as one more of its blocks. */
  readonly isService?: true | undefined;
}

/** A feature service: what one model reads, in order. A view may stand in several blocks. */
export interface CompiledService {
  readonly name: string;
  readonly blocks: readonly ServiceBlock[];
  /** What only the caller of a read knows. Default: nothing. */
  readonly request?: readonly FieldPlan[] | undefined;
  /** Stands for what is derived, its code and the request it takes: another one is another version of the service. Default: nothing is derived. */
  readonly derivedTag?: string | undefined;
  /** What is derived of the blocks and of the request. Default: nothing. */
  readonly derived?: readonly DerivedPlan[] | undefined;
  /** Parts of the key that its reads are told apart by where they are monitored. Default: none. */
  readonly segments?: readonly string[] | undefined;
  /** Share of entities whose reads go to the serving log; undefined: as the reader is set. */
  readonly servingLog?: number | undefined;
  /** What a bundle of it is made of; absent where it derives nothing, was made in memory, or comes of a bundle itself. */
  readonly carried?: CarriedService | undefined;
}

/** All definitions of a folder, compiled together. */
export interface Definitions {
  readonly folder: string;
  /** What history paths are relative to, absolute. */
  readonly baseFolder: string;
  readonly views: ReadonlyMap<string, CompiledView>;
  readonly services: ReadonlyMap<string, CompiledService>;
  readonly sources: ReadonlyMap<string, CompiledSource>;
  readonly labelSets: ReadonlyMap<string, CompiledLabelSet>;
  /** Bounds on what is monitored. Default: none. */
  readonly monitors?: readonly CompiledMonitor[] | undefined;
  /** What people are told of definitions; of those that say nothing there is none. */
  readonly abouts?: Abouts | undefined;
  /** What was sampled of histories, where they were looked at. */
  readonly samples?: readonly HistorySample[] | undefined;
}
