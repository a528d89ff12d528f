import type { z } from 'zod';
import type { Micros } from '../values/field-type.ts';
import type { RequiredFieldOfKind, RowOf, Shape } from '../contract/row-of.ts';
import type { Duration } from './duration.ts';
import type { RowFunction } from './feature.ts';

/** Where a source's history lies, and how it is read. */
export interface HistoryOptions<Name extends string = string> {
  /** Glob of Parquet, CSV or JSONL files, relative to the folder that holds the definitions folder. */
  readonly path: string;
  /** History counts before this time, the topic from it on: an ISO datetime or date (UTC), or epoch µs. */
  readonly until?: string | Micros | undefined;
  /** History and topic share no event, though history ends after the topic begins: nothing is counted twice. */
  readonly disjoint?: boolean | undefined;
  /** Fields whose values are folders of the files' paths below the glob's fixed part, `country=NL/…`, URL-encoded. */
  readonly partitions?: readonly Name[] | undefined;
  /** How CSV files are written, in UTF-8; quotes are `"`. Default: delimiter `,` and decimal sign `.`. */
  readonly csv?: { readonly delimiter?: string | undefined; readonly decimal?: '.' | ',' | undefined } | undefined;
}

/** Where events come from: a contract, which field is their time, and a topic, a history, or both. */
export interface SourceOptions<Members extends Shape = Shape> {
  /** The contract every record and every history row is held to. */
  readonly schema: z.ZodObject<Members>;
  /** The field with the event time; a datetime, an epoch or a date that is never null. */
  readonly eventTime: RequiredFieldOfKind<Members, 'timestamp' | 'date'>;
  /**
   * Where the event time is a date: the midnight it begins with, or the one after it. A day's summary is not known before its end. A date
   * without it is refused, and it without a date.
   */
  readonly eventTimeAt?: 'start' | 'end' | undefined;
  /** Cut the digits of times finer than a microsecond, in every encoding; without it they must be zero. */
  readonly finerThanMicros?: 'truncate' | undefined;
  /** The field that names an event, so that a resent one counts once; a string, enum, int or int64 that is never null. */
  readonly eventId?: RequiredFieldOfKind<Members, 'string' | 'enum' | 'int' | 'int64' | 'double'> | undefined;
  /** The Kafka topic. */
  readonly topic?: string | undefined;
  /** Record headers to archive, as columns `header_<name>`; row functions do not see them. */
  readonly headers?: readonly string[] | undefined;
  readonly history?: HistoryOptions<keyof Members & string> | undefined;
  /**
   * Fields whose values are hashed in dead letters, errors, logs, explanations and reports (docs/security.md). It changes no value, and no
   * fingerprint. Not the event time, nor what is a folder of the history's paths: those stand everywhere.
   */
  readonly sensitive?: readonly (keyof Members & string)[] | undefined;
  /** How long an event id is remembered behind the watermark. Default `'24h'`. */
  readonly dedupeHorizon?: Duration | undefined;
  /**
   * How far an event time may lie ahead of its record's broker timestamp (in a history: of when its files were first read). Default `'1h'`;
   * `false`: any time is taken, and one far ahead ends dedupe for all before it.
   */
  readonly maxAhead?: Duration | false | undefined;
  /** Believe the event times of records that have no broker timestamp; without it such records are invalid. */
  readonly brokerTime?: 'none' | undefined;
  /**
   * A stream or a batch stops when more than `rate` × `window` of a partition's last `window` records are invalid, a batch also when more than
   * `rate` of all its records are. Default 0.1 of 1000.
   */
  readonly invalidLimit?: { readonly rate: number; readonly window: number } | undefined;
  /**
   * What its monitors tell records apart by, beside their partition (docs/monitors.md): fields, or functions of a row, of few values each. It changes no value,
   * and no fingerprint. At most 8.
   */
  readonly segments?: readonly Segment<Members>[] | undefined;
  /** `false`: the archiver keeps no monitors of it; or what they may take, in bytes. Default 256 MB. */
  readonly monitors?: false | { readonly budgetBytes: number } | undefined;
}

/** A part that records are told apart by: a field, or a named function of a row; null belongs to none. */
export type Segment<Members extends Shape = Shape> =
  | (keyof Members & string)
  | { readonly name: string; readonly of: (row: RowOf<Members>) => string | null };

/** A source as `source()` gives it. */
export interface Source<Name extends string = string, Members extends Shape = Shape> {
  readonly kind: 'source';
  readonly name: Name;
  readonly members?: Members;
  readonly options: SourceFacts;
  /** Of `decisions()` and `outcomes()`: records are held to the rules of these, too. */
  readonly says?: 'decisions' | 'outcomes' | undefined;
  /** Of `pairs()`: the name of the label set. */
  readonly pairsOf?: string | undefined;
}

/** The options of a source of any contract. */
export interface SourceFacts
  extends Omit<SourceOptions, 'schema' | 'eventTime' | 'eventId' | 'history' | 'sensitive' | 'segments'> {
  readonly schema: z.ZodObject;
  readonly eventTime: string;
  readonly eventId?: string | undefined;
  readonly history?: HistoryOptions | undefined;
  readonly sensitive?: readonly string[] | undefined;
  readonly segments?: readonly (string | { readonly name: string; readonly of: RowFunction })[] | undefined;
}

/**
 * Declares a source of events. Nothing is read or connected here; faults are reported by `millrace plan`.
 *
 * @example
 * export const flights = source('flights', {
 *   schema: z.object({ flight_id: z.string(), date: z.iso.datetime(), origin: z.string().length(3) }),
 *   eventTime: 'date',
 *   eventId: 'flight_id',
 *   topic: 'flights',
 * });
 */
export function source<const Name extends string, Members extends Shape>(
  name: Name,
  options: SourceOptions<Members>,
): Source<Name, Members> {
  return Object.freeze({ kind: 'source', name, options });
}
