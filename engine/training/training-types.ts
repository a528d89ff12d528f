import type { ScalarType } from '../contract/field-type.ts';
import type { CompiledService } from '../define/compiled-view.ts';
import type { Clock } from '../log/clock.ts';
import type { Cut } from '../log/cut.ts';
import type { LogCounts } from '../log/log-counts.ts';
import type { LogReader } from '../log/log-reader.ts';

/** What `exportTrainingSet` needs. */
export interface TrainingOptions {
  readonly service: CompiledService;
  /** The label rows: a .parquet, .csv, .tsv, .jsonl, .ndjson or .json file. */
  readonly spine: string;
  /** The Parquet file to write; its folder must exist. */
  readonly out: string;
  /** The spine's column of label times. Default `event_timestamp`. */
  readonly timeColumn?: string | undefined;
  readonly mode: 'event-time';
  /** Reads the topics of the sources; `null` exports from history alone. */
  readonly reader: LogReader | null;
  /** Memory for DuckDB and entity states together, in MiB. Spills and extra passes keep it. */
  readonly memoryMb: number;
  /** The share of `memoryMb` that entity states may take, in MiB. Default: 40 %. */
  readonly statesMb?: number | undefined;
  /** A folder for spilled data; the export makes a folder of its own in it and removes that again. */
  readonly spillDir: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
  /** Replaces an existing `out`. Default false: refused with `out-exists`. */
  readonly overwrite?: boolean | undefined;
  /** Cut per source name, from a manifest, to export again as of then. A source left out gets a new cut. */
  readonly cuts?: Readonly<Record<string, Cut | null>> | undefined;
  /** Repeat this export exactly: takes its cuts, and refuses when code, spine or history are no longer the same. */
  readonly repeatOf?: TrainingManifest | undefined;
}

/** Where an export stands. */
export interface TrainingProgress {
  readonly phase: 'spine' | 'cut' | 'sweep' | 'write';
  /** Label rows read, over the sources one after the other, in the pass at hand; of `totalRows`. */
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
  readonly type: ScalarType;
  readonly nulls: number;
  readonly nullRate: number;
}

/** What was read of one view. */
export interface ManifestView {
  readonly view: string;
  readonly fingerprint: string;
  readonly entity: string;
  readonly keys: readonly string[];
  readonly source: string;
  /** `applied`: events that passed `where` and have a key, whether or not the spine asks for their entity. */
  readonly counts: LogCounts;
  /** Label rows whose entity had no event before the label time. */
  readonly rowsWithoutState: number;
  readonly features: readonly ManifestFeature[];
}

/** The log one source was read from. */
export interface ManifestSource {
  readonly source: string;
  readonly cut: Cut | null;
  readonly history: readonly { readonly path: string; readonly sizeBytes: number; readonly rows: number }[];
}

/** What stands beside a training set in `<out>.manifest.json`: all that its content depends on, and nothing that it does not. */
export interface TrainingManifest {
  readonly format: 1;
  readonly millrace: string;
  readonly mode: 'event-time';
  readonly service: string;
  readonly rows: number;
  /** Of the Parquet file. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly spine: {
    readonly path: string;
    readonly sizeBytes: number;
    readonly sha256: string;
    readonly timeColumn: string;
    readonly columns: readonly string[];
  };
  readonly views: readonly ManifestView[];
  readonly sources: readonly ManifestSource[];
  /** Per source name; give it back as `cuts` to export again as of then. */
  readonly cuts: Readonly<Record<string, Cut | null>>;
}
