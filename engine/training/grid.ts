import { durationMicros } from '../define/duration.ts';
import type { ServiceBlock } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Cut } from '../topic/cut.ts';
import { refusal } from '../values/convert.ts';
import type { LabelOptions } from './label-spine.ts';
import { timeReading, timeRule } from './label-time.ts';
import type { ManifestSample } from './sample.ts';
import type { ManifestSource, TrainingOptions } from './training-types.ts';

/** Rows that are made of entities and times without being asked twice. */
export const DEFAULT_MOST_ROWS = 10_000_000;

/** What a training set is made of that has no labels: entities, each at every step of a time. */
export interface GridOptions {
  /** The view whose entities they are, plain or in a role, whose columns they go by then: each is in from its first event on, by its event time. */
  readonly entitiesOf?: ServiceBlock | undefined;
  /** In its place, a file with the join keys of entities: each is in at every step. */
  readonly entities?: string | undefined;
  /** From one step to the next, as `1d`: of 24 hours, whatever the clocks do. */
  readonly every: string;
  /** The first step: an ISO time, or a date for its first instant (in `timeZone`, else UTC). */
  readonly from: string;
  /** The end of the time, which is no step. */
  readonly to: string;
  /** More rows than this are refused. Default `DEFAULT_MOST_ROWS`. */
  readonly maxRows?: number | undefined;
}

/** What a manifest says of the rows that no labels gave. */
export interface ManifestGrid {
  /** Absent where the entities came from a file. */
  readonly entitiesOf?: ManifestEntities | undefined;
  readonly every: string;
  /** ISO, UTC. */
  readonly from: string;
  readonly to: string;
  readonly steps: number;
  /** Those that have rows; of a sample, those in it. */
  readonly entities: number;
}

/** What a grid comes to, before its rows are made. */
export interface GridPlan extends ManifestGrid {
  readonly rows: number;
  readonly sample: ManifestSample | null;
}

/** Where the entities of a view come from. */
export interface ManifestEntities {
  readonly view: string;
  /** Where it is by the columns of a role. */
  readonly role?: string | undefined;
  readonly fingerprint: string;
  readonly source: string;
  /** How far the log was read for them. */
  readonly cut: Cut | null;
  readonly history: ManifestSource['history'];
}

/** The steps `fromUs + i * everyUs`, of which there are `steps`. */
export interface GridTimes {
  readonly fromUs: number;
  readonly untilUs: number;
  readonly everyUs: number;
  readonly steps: number;
}

/** Reads what a grid's times are said to be. Throws `bad-grid`, naming every fault; `unknown-time-zone`. */
export function gridTimes({ every, from, to }: GridOptions, timeZone: string | null): GridTimes {
  const faults: string[] = [];
  const everyUs = durationMicros(every);
  if (everyUs === undefined)
    faults.push(`every ${JSON.stringify(every)}; expected a duration: a whole number and one of ms, s, m, h, d, w`);
  const timeOf = timeReader(timeZone, faults);
  const [fromUs, untilUs] = [timeOf('from', from), timeOf('to', to)];
  if (fromUs !== undefined && untilUs !== undefined && fromUs >= untilUs)
    faults.push(`from "${from}" is not before to "${to}": there is no step between them`);
  if (everyUs === undefined || fromUs === undefined || untilUs === undefined || faults.length > 0) {
    throw new MillraceError('bad-grid', faults.join('; '), {
      remedy:
        'Give the time as every, from and to (CLI: --every 1d --from 2026-01-01 --to 2026-03-01): rows are made at from, from + every, … before to.',
    });
  }
  return { fromUs, untilUs, everyUs, steps: Math.ceil((untilUs - fromUs) / everyUs) };
}

/** Reads a time by the one reading of label times that are text; a date is its first instant. */
function timeReader(timeZone: string | null, faults: string[]): (name: string, text: string) => number | undefined {
  const raw = { door: 'text', expression: '', type: 'VARCHAR' } as const;
  const rule = timeRule(timeZone, 'start');
  return (name, text) => {
    const found = timeReading({ name, type: 'VARCHAR', output: '', raw }, rule, true);
    if ('message' in found) {
      faults.push(`${name} ${found.message}`);
      return undefined;
    }
    const value = found.reading.convert(text) as number | undefined;
    if (value === undefined) faults.push(`${name}: ${refusal(found.reading, text)}`);
    return value;
  };
}

/**
 * What an export is over: a file of labels, or a grid. Throws `bad-grid` where it is none of them, or several, and `requests-need-spine`
 * where rows that are made are to name requests.
 */
export function spineOrGrid({
  spine,
  grid,
  labels,
  requestColumn,
}: TrainingOptions): string | GridOptions | LabelOptions {
  if (labels !== undefined && spine === undefined && grid === undefined) return labels;
  if (grid === undefined && labels === undefined && spine !== undefined) return spine;
  const given = [spine, grid?.entities, grid?.entitiesOf, labels].filter((one) => one !== undefined);
  if (grid === undefined || given.length !== 1) {
    throw new MillraceError('bad-grid', `an export is over one spine, and ${given.length} were given`, {
      remedy:
        'Give a file of labels (spine), a label set (labels), a file of entities (entities), or a view whose entities are meant (entitiesOf).',
    });
  }
  if (requestColumn === undefined) return grid;
  throw new MillraceError(
    'requests-need-spine',
    `rows that are made of entities and times name no requests, and requestColumn is ${JSON.stringify(requestColumn)}`,
    {
      remedy:
        'Give a file with the request ids (spine; CLI: --spine), or leave requestColumn out: as served, each row is what would have been answered at its time.',
    },
  );
}
