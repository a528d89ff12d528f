import type { ComparedFeature } from '../../engine/training/comparison-types.ts';
import type { ManifestLabels } from '../../engine/training/label-spine.ts';
import type { ManifestSample } from '../../engine/training/sample.ts';
import type { ManifestSplit } from '../../engine/training/split.ts';

export const EXPORT_MODES = ['event-time', 'as-served', 'decided'] as const;
export const TIME_ATS = ['start', 'end'] as const;
export type ExportMode = (typeof EXPORT_MODES)[number];

/** What `exportTrainingSet` is started with. Relative paths are taken from the folder that holds the definitions folder. */
export interface ExportInput {
  readonly service: string;
  /** The label rows. In its place: `entities` or `entitiesOf`, with `every`, `from` and `to`; or nothing, with `repeatOf`. */
  readonly spine?: string | undefined;
  /** In place of a spine: the label set that decisions have their labels by; with `from` and `to`, the time of the decisions. */
  readonly labels?: string | undefined;
  /** Of labels: when they are asked for, an ISO time; default the latest time for which they can be told. */
  readonly asOf?: string | undefined;
  /** Of labels: decisions of this model, of this variant alone. */
  readonly model?: string | undefined;
  readonly variant?: string | undefined;
  /** Of labels: decisions that were not acted on are rows, too. */
  readonly shadows?: boolean | undefined;
  /** Needed but for a dry run. */
  readonly out?: string | undefined;
  /** Without labels: the view whose entities are meant, each at every step from its first event on. */
  readonly entitiesOf?: string | undefined;
  /** Without labels: a file with the join keys of entities, each at every step. */
  readonly entities?: string | undefined;
  /** From one step to the next, as `1d`. */
  readonly every?: string | undefined;
  /** The first step, and the end, which is none; of labels, the time of the decisions: ISO times, or dates. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** More rows than this are not made. Default 10,000,000. */
  readonly maxRows?: number | undefined;
  /** Of entities and of labels: says how many rows there would be, and writes nothing. */
  readonly dryRun?: boolean | undefined;
  /** The spine's timestamp column, or what that of rows made of entities is called. Default `event_timestamp`. */
  readonly timeColumn?: string | undefined;
  /** The zone of the spine's times that have none: `UTC` or an IANA name, as `Europe/Berlin`. Without it they are refused. */
  readonly timeZone?: string | undefined;
  /** What a date as label time stands for: the `start` of its day, or the `end`, the midnight after. Without it dates are refused. */
  readonly timeAt?: (typeof TIME_ATS)[number] | undefined;
  /**
   * `event-time`: what had happened by then · `as-served`: what serving would have answered then, or did · `decided`, of labels alone: what the decision was
   * made of. Default event-time, of labels decided.
   */
  readonly mode?: ExportMode | undefined;
  /** as-served: the spine's column of request ids; its rows get exactly what those requests were served. */
  readonly requestColumn?: string | undefined;
  /** as-served by request: a request id that was never logged gives nulls, and not an error. */
  readonly missing?: 'error' | 'null' | undefined;
  /** What a cell with an error in place of its value makes of the export: it fails, naming them (the default), or writes null and counts them. */
  readonly onError?: 'fail' | 'null' | undefined;
  /** Also say, feature by feature, where the two modes differ, by how much, and which kind of lag did it. */
  readonly compare?: boolean | undefined;
  /** The rows of this share of the entities alone, all of an entity's or none, as 0.1. */
  readonly sample?: number | undefined;
  /** Two files in place of one: so large a share of the rows, the earliest, to train on, as 0.8, and the rest to test with. */
  readonly split?: number | undefined;
  /** Replace `out` where it exists; without it that is an error. */
  readonly overwrite?: boolean | undefined;
  /** The manifest of an earlier export to repeat exactly, at its cut. */
  readonly repeatOf?: string | undefined;
}

/** What a dry run came to. */
export interface ExportSize {
  readonly service: string;
  readonly isDryRun: true;
  readonly rows: number;
  readonly entities: number;
  readonly steps: number;
  readonly sample?: ManifestSample | undefined;
}

/** What a dry run of labels came to. */
export interface ExportLabelSize {
  readonly service: string;
  readonly isDryRun: true;
  readonly rows: number;
  readonly labels: ManifestLabels;
}

/** What an export came to; the whole manifest stands beside the Parquet file. */
export interface ExportSummary {
  readonly service: string;
  readonly mode: ExportMode;
  readonly out: string;
  readonly manifest: string;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly features: readonly {
    readonly column: string;
    readonly nullRate: number;
    /** How many of the nulls stand for an error, by its code; missing of a run by an older worker. */
    readonly errors?: Readonly<Record<string, number>> | undefined;
  }[];
  /** Those that the list above had no room for; the manifest has all. */
  readonly featuresLeftOut?: number | undefined;
  /** Rows in which all of a view or role, or all that the service derives (`of` is its name), is null: at their times no version was served, or their requests are not in the log; missing: none. */
  readonly rowsNull?:
    | readonly { readonly of: string; readonly why: 'not-served' | 'not-logged'; readonly rows: number }[]
    | undefined;
  /** Files of histories that the versions served now do not name, and the set was not made from; missing: none. */
  readonly filesLeftOut?: number | undefined;
  /** Where the rows are decisions, how they have their labels. */
  readonly labels?: ManifestLabels | undefined;
  /** How it is divided; missing: it is not. */
  readonly split?: ManifestSplit | undefined;
  /** Which entities it is of; missing: all. */
  readonly sample?: ManifestSample | undefined;
  readonly comparison: {
    readonly labels: number;
    /** Labels of which any feature differs. */
    readonly labelsDiffering: number;
    readonly features: readonly ComparedFeature[];
    /** The JSON file of the comparison, and its plot. */
    readonly json: string;
    readonly svg: string;
  } | null;
}
