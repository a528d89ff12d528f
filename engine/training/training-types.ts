import type { ElementCounts } from './staged-statistics.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type pg from 'pg';
import type { NamedFile } from '../history/history-files.ts';
import type { ResultType } from '../values/result-type.ts';
import type { CompiledService } from '../define/compiled-view.ts';
import type { ServiceCode } from '../define/derived-code.ts';
import type { VersionCode } from '../define/version-code.ts';
import type { Clock } from '../values/clock.ts';
import type { ManifestBaseline } from '../monitors/baseline.ts';
import type { Cut } from '../topic/cut.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { ModeComparison } from './comparison-types.ts';
import type { GridOptions, ManifestGrid } from './grid.ts';
import type { LabelProgress } from '../labels/label-scan.ts';
import type { LabelOptions, ManifestLabels } from './label-spine.ts';
import type { TimeAt } from './label-time.ts';
import type { ManifestSample } from './sample.ts';
import type { ManifestSplit } from './split.ts';

/**
 * `event-time`: every event before the label's time, whenever it came. `as-served`: what serving returned then, or would have: events that came or
 * were committed later are left out exactly as they were. `decided`, of rows that are decisions: what their own reads carry.
 */
export type TrainingMode = 'event-time' | 'as-served' | 'decided';

export type OnError = 'fail' | 'null';

/** What `exportTrainingSet` needs. */
export interface TrainingOptions {
  /** By the code to export by: by event time all of it, as served what columns there are. */
  readonly service: CompiledService;
  /** As served, the code of versions that others than the service's built. Left out: there is none, and their times are refused. */
  readonly code?: VersionCode | undefined;
  /** The same of what versions of the service derived. */
  readonly serviceCode?: ServiceCode | undefined;
  /** The label rows: a .parquet, .csv, .tsv, .jsonl, .ndjson or .json file. Left out with `grid`. */
  readonly spine?: string | undefined;
  /** Without labels: entities, each at every step of a time. */
  readonly grid?: GridOptions | undefined;
  /** In place of labels: decisions, with what came of them. */
  readonly labels?: LabelOptions | undefined;
  /** The Parquet file to write; its folder must exist. */
  readonly out: string;
  /** Keeps the rows of this share of the entities alone, by a hash of the join keys. Left out: all. With `repeatOf`: as there. */
  readonly sample?: number | undefined;
  /**
   * Divides the rows by their times into two files, `<out>.train.parquet` and `<out>.test.parquet` (of `<out>.parquet`): so large a share of them, the
   * earliest, to train on. Left out: one file. With `repeatOf`: as there.
   */
  readonly split?: number | undefined;
  /** The spine's column of label times. Default `event_timestamp`. */
  readonly timeColumn?: string | undefined;
  /** The zone of the spine's times that have none: `UTC` or an IANA name. Left out, such times are refused. With `repeatOf`: as there. */
  readonly timeZone?: string | undefined;
  /**
   * Which instant a date as label time stands for: the first of its day, or of the day after (in `timeZone`, else UTC). Left out, dates are refused.
   * With `repeatOf`: as there.
   */
  readonly timeAt?: TimeAt | undefined;
  readonly mode: TrainingMode;
  /** For `as-served` and `compare`: the database with the catalog, whose commits say what was served when. */
  readonly pool?: pg.Pool | undefined;
  /** The archive's folder, where older commits may have been rolled to; null or left out: there is none. */
  readonly archiveDir?: string | null | undefined;
  /** For `as-served` by request id: the topic of the serving log. */
  readonly servedTopic?: string | null | undefined;
  /**
   * `as-served` only: the spine's column of request ids; each row gets exactly what that request was served. Given, or where the spine has
   * no label time or lacks join keys and has a column `request_id`.
   */
  readonly requestColumn?: string | undefined;
  /** What becomes of a row whose request is not in the serving log, or was not served a feature. Default `error`; `null`: null, and counted. */
  readonly missing?: 'error' | 'null' | undefined;
  /**
   * What becomes of a cell that has an error in place of a value. `fail` (the default): the export fails, naming them, and writes nothing; `null`:
   * null, and counted per feature and code in the manifest. Left out with `repeatOf`: as there.
   */
  readonly onError?: OnError | undefined;
  /** Also reads the other mode over the same spine, and reports how they differ and why: in the manifest, `<out>.compare.json` and `<out>.compare.svg`. */
  readonly compare?: boolean | undefined;
  /** Reads the topics of the sources (`withArchive`: as far back as was archived); `null` exports from history alone. */
  readonly reader: LogReader | null;
  /** What it shares with the rest of the process; it waits for its least of it, and makes further passes where it cannot have more. Default: the process's own. */
  readonly memory?: MemoryBudget | undefined;
  /** For tests: what keys and states may take, in MiB. */
  readonly statesMb?: number | undefined;
  /** Called where it waits for memory, with what for; with null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  /** A folder for spilled data, which outlives the export: DuckDB is shared by all of the process, and spills into the folder of the first. */
  readonly spillDir: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
  /**
   * Whose export this is, the same over all its attempts and nobody else's: an attempt after one that published and died gives what was published.
   * Left out: each call is an export of its own.
   */
  readonly exportId?: string | undefined;
  /** Replaces an existing `out`. Default false: refused with `out-exists`. */
  readonly overwrite?: boolean | undefined;
  /** Cut per source name, from a manifest, to export again as of then. A source left out gets a new cut. */
  readonly cuts?: Readonly<Record<string, Cut | null>> | undefined;
  /** Repeat this export exactly: takes its cuts, and refuses when code, spine or history are no longer the same. */
  readonly repeatOf?: TrainingManifest | undefined;
}

/** Of those, what reading labels takes: neither where they came from, nor where their values go. */
export type ReadingOptions = Omit<
  TrainingOptions,
  'spine' | 'grid' | 'out' | 'overwrite' | 'exportId' | 'onError' | 'statesMb' | 'onProgress'
>;

/** Where an export stands. */
export interface TrainingProgress {
  readonly phase: 'spine' | 'entities' | LabelProgress['phase'] | 'cut' | 'sweep' | 'compare' | 'write';
  /** Label rows read, over the sweeps one after the other (a source each; as served, a version of a view each), in the pass at hand; of `totalRows`. */
  readonly rows: number;
  readonly totalRows: number;
  /** Events taken from the logs so far, over all passes. */
  readonly events: number;
  /** 1 for the first pass over the log at hand. */
  readonly pass: number;
  /** Of the sweeps, by how much of the logs is scanned; 100 while writing. Never falls. */
  readonly percent: number;
  /** Events per second, since the export started. */
  readonly eventsPerSecond: number;
}

/** One feature column of a training set. */
export interface ManifestFeature {
  readonly name: string;
  /** The output column, `<view>__<feature>`. */
  readonly column: string;
  readonly type: ResultType;
  /** What it means (`millrace.lock.json`). Absent from older manifests, of definitions that have none, and of what a service derives. */
  readonly tag?: string | undefined;
  /** Rows in which it was null, those that have its default in place of that among them (of logged requests nobody can tell). */
  readonly nulls: number;
  readonly nullRate: number;
  /** Of lists and maps, how many elements they have (a default's, where it stands); null where all are null. Absent of anything else. */
  readonly elements?: ElementCounts | null | undefined;
  /** How many of the nulls stand for an error, by its code. Absent from manifests older than `onError`. */
  readonly errors?: Readonly<Record<string, number>> | undefined;
}

/** What was read of one view, or of one role of a view. */
export interface ManifestView {
  readonly view: string;
  /** Left out: the view itself. */
  readonly role?: string | undefined;
  readonly fingerprint: string;
  readonly entity: string;
  readonly keys: readonly string[];
  /** The columns of the spine that a role's join keys go by. */
  readonly columns?: readonly string[] | undefined;
  readonly source: string;
  /** `applied`: events that passed `where` and have a key, whether or not the spine asks for their entity. */
  readonly counts: LogCounts;
  /** Label rows whose entity had no event before the label time. */
  readonly rowsWithoutState: number;
  readonly features: readonly ManifestFeature[];
  /** As served, by label time: of which versions. */
  readonly served?: ManifestServed | undefined;
  /** As served, by request id: what the serving log had. */
  readonly logged?: ManifestLogged | undefined;
}

/** Which version readers got when, and how far its commits were replayed: what an as-served export is pinned by. */
export interface ManifestServed {
  /** Label rows at times at which no version of the view was served (before it was published, after it was retired, later than the export): all features null. */
  readonly rowsNotServed: number;
  /** Those that label rows fall to, oldest first. */
  readonly versions: readonly ManifestVersion[];
}

/** A version that label rows fall to, and when readers got it. */
interface ManifestSpan {
  readonly version: number;
  /** Served in [fromUs, untilUs), epoch µs; the end is that of the export where it is served still. */
  readonly fromUs: number;
  readonly untilUs: number;
  /** Label rows. */
  readonly rows: number;
  /** Features (of a service, derived ones) that it did not have, by name and type: they are null in its rows, as they were not served. Left out: it had all. */
  readonly notServed?: readonly string[] | undefined;
}

export interface ManifestVersion extends ManifestSpan {
  readonly fingerprint: string;
  /** The newest commit that any label row sees. */
  readonly untilSeq: number;
}

/** What of a view the requests of a spine were served. */
export interface ManifestLogged {
  /** Rows whose request is not in the log, or read no such entity: all features null. */
  readonly rowsNotLogged: number;
  /** Rows that got what a commit gave which was lost since (`lost-commit`): it was served, and no replay gives it. Absent from older manifests. */
  readonly rowsLostCommit?: number | undefined;
  /** Rows of which that cannot be told: their commit was merged into a later one, or the records of commits are not at hand. */
  readonly rowsCommitUnknown?: number | undefined;
  /** Definitions that served, by version, each with its rows. */
  readonly definitions: readonly { readonly version: number; readonly fingerprint: string; readonly rows: number }[];
  /** Features that are null in rows where they were not served: by another definition that lacks them, or not asked for. */
  readonly notServed: readonly {
    readonly feature: string;
    readonly otherDefinition: number;
    readonly notAsked: number;
  }[];
}

/** What a service derived of what was read for its views, of the rows' requests and of their times. */
export interface ManifestDerived {
  /** Stands for the code of it. Left out where it is what the log has: `logged.definitions` says whose code that was. */
  readonly tag?: string | undefined;
  /** The columns of the spine that were given with requests; of logged requests, those that say what was (`request__<field>`). */
  readonly request: readonly string[];
  /** Their types, in that order. Absent from older manifests. */
  readonly requestTypes?: readonly ResultType[] | undefined;
  readonly features: readonly ManifestFeature[];
  /** As served, by request id: what the serving log had. Its definitions have the tag as fingerprint (empty where it was not known), and 0 as version. */
  readonly logged?: ManifestLogged | undefined;
  /** As served: by which versions of the service. */
  readonly served?: ManifestServedService | undefined;
}

/** Which version of a service was served when: each row has what the one of its time derived. */
export interface ManifestServedService {
  /** Label rows at times at which no version was served (before the first, or while a view did not serve what any means): all derived features null. */
  readonly rowsNotServed: number;
  /** Those that label rows fall to, oldest first. */
  readonly versions: readonly ManifestServiceVersion[];
}

export interface ManifestServiceVersion extends ManifestSpan {
  readonly tag: string;
}

/** The log one source was read from. */
export interface ManifestSource {
  readonly source: string;
  readonly cut: Cut | null;
  /** Without names and hashes in older manifests. */
  readonly history: readonly Omit<NamedFile, 'stamp'>[];
  /** Whose log it is, where other views of the source were read from other files. */
  readonly views?: readonly string[] | undefined;
  /** Files that the history had when it was exported, and the versions that were served then do not name. Left out: none. */
  readonly filesLeftOut?: number | undefined;
}

/** What stands beside a training set in `<out>.manifest.json`: all that its content depends on, and nothing that it does not. */
export interface TrainingManifest {
  readonly format: 1;
  readonly millrace: string;
  /** Whose export it is, of one that has attempts. */
  readonly export?: string | undefined;
  /** Of the engine that made it; where it is not said, the first. */
  readonly semantics?: number | undefined;
  readonly mode: TrainingMode;
  /** Absent from older manifests: `fail`. */
  readonly onError?: OnError | undefined;
  readonly service: string;
  readonly rows: number;
  /** Of the Parquet file; of a divided set, of the hashes of its two files, a line each. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** How it is divided, where it is. */
  readonly split?: ManifestSplit | undefined;
  readonly spine: {
    /** Of the file; null where the rows were made of the entities of a view. */
    readonly path: string | null;
    readonly sizeBytes: number | null;
    readonly sha256: string | null;
    /** Null where the rows name requests. */
    readonly timeColumn: string | null;
    /** How times without a zone and dates were read; null: there was no saying. Absent from older manifests: UTC, and the start of the day. */
    readonly timeZone?: string | null | undefined;
    readonly timeAt?: TimeAt | null | undefined;
    readonly requestColumn?: string | undefined;
    /** Of what entities and times the rows were made, where no labels gave them. */
    readonly grid?: ManifestGrid | undefined;
    readonly columns: readonly string[];
  };
  /** Where the rows are decisions, how they have their labels. */
  readonly labels?: ManifestLabels | undefined;
  /** Which entities it is of, where not of all. */
  readonly sample?: ManifestSample | undefined;
  readonly views: readonly ManifestView[];
  /** What the service derived of them, where it does, or what it logged of that and of its requests. */
  readonly derived?: ManifestDerived | undefined;
  readonly sources: readonly ManifestSource[];
  /** How the two modes differ over this spine, where that was asked for. */
  readonly comparison?: ModeComparison | undefined;
  /** How the values of each feature are, over the rows to train on. Absent from older manifests. */
  readonly baseline?: ManifestBaseline | undefined;
  /** Per source name (`millrace_served`: the serving log); give it back as `cuts` to export again as of then. */
  readonly cuts: Readonly<Record<string, Cut | null>>;
}
