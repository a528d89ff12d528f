import type { CompiledLabelSet } from '../define/compiled-label-set.ts';
import type { Row } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { LabelCounts } from '../labels/label-scan.ts';
import type { Cut } from '../topic/cut.ts';
import { refusal } from '../values/convert.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { timeReading, timeRule } from './label-time.ts';

/** The column of a decision's id, by which its reads are found, and of its time. */
export const DECISION_COLUMN = 'decision_id';
export const DECIDED_COLUMN = 'decided_at';
export const LABEL_COLUMN = 'label';

/** What a training set is made of whose rows are decisions, with what came of them. */
export interface LabelOptions {
  readonly labels: CompiledLabelSet;
  /** Decisions of [from, to): ISO times, or dates for their first instants (UTC). */
  readonly from: string;
  readonly to: string;
  /** When the labels are asked for; default the latest time for which they can be told. */
  readonly asOf?: string | undefined;
  /** Decisions of this model, of this variant alone. Default: of any. */
  readonly model?: string | undefined;
  readonly variant?: string | undefined;
  /** Whether decisions that were not acted on are rows, too. Default false. */
  readonly shadows?: boolean | undefined;
}

/** What a manifest says of the labels that rows have from the log. */
export interface ManifestLabels {
  readonly labelSet: string;
  /** Stands for the rule they were made by. */
  readonly tag: string;
  /** ISO, UTC. */
  readonly from: string;
  readonly to: string;
  /** Up to when outcomes were known. */
  readonly asOf: string;
  readonly asOfUs: number;
  /** So long after its decision a label is final, µs. */
  readonly matureAfterUs: number;
  readonly model?: string | undefined;
  readonly variant?: string | undefined;
  readonly shadows: boolean;
  readonly counts: Readonly<LabelCounts>;
  /** How far the logs were read. */
  readonly cuts: { readonly decisions: Cut | null; readonly outcomes: Cut | null };
}

/** The times of the options, UTC epoch µs. Throws `bad-label-times`, naming every fault. */
export function labelTimes({ from, to, asOf }: LabelOptions): {
  readonly fromUs: number;
  readonly untilUs: number;
  readonly asOfUs: number | undefined;
} {
  const faults: string[] = [];
  const [fromUs, untilUs] = [timeOf('from', from, faults), timeOf('to', to, faults)];
  const asOfUs = asOf === undefined ? undefined : timeOf('asOf', asOf, faults);
  if (fromUs >= untilUs) faults.push(`from "${from}" is not before to "${to}": no decision is between them`);
  if (faults.length === 0) return { fromUs, untilUs, asOfUs };
  throw new MillraceError('bad-label-times', faults.join('; '), {
    remedy:
      'Give the time of the decisions as from and to (CLI: --from 2026-01-01 --to 2026-03-01), as of when as asOf (--as-of).',
  });
}

function timeOf(name: string, text: string, faults: string[]): number {
  const raw = { door: 'text', expression: '', type: 'VARCHAR' } as const;
  const found = timeReading({ name, type: 'VARCHAR', output: '', raw }, timeRule(null, 'start'), true);
  if ('message' in found) {
    faults.push(`${name} ${found.message}`);
    return Number.NaN;
  }
  const value = found.reading.convert(text) as number | undefined;
  if (value === undefined) faults.push(`${name}: ${refusal(found.reading, text)}`);
  return value ?? Number.NaN;
}

/** Whether a decision is to be a row: of the service, where it says one, and of what else was asked for. */
export function isWanted(service: string, { model, variant, shadows = false }: LabelOptions): (row: Row) => boolean {
  return (row) =>
    (row['service'] ?? service) === service &&
    (shadows || row['acted'] === true) &&
    (model === undefined || row['model'] === model) &&
    (variant === undefined || row['variant'] === variant);
}

/** The options of an export that is repeated. */
export function labelsThen(labels: CompiledLabelSet, then: ManifestLabels): LabelOptions {
  const { from, to, asOf, model, variant, shadows } = then;
  return { labels, from, to, asOf, model, variant, shadows };
}

/** What rows were made of, for messages: what is told apart differs. */
export function labelsText(labels: ManifestLabels | null | undefined): string {
  if (labels == null) return 'not of decisions';
  const { labelSet, tag, from, to, asOf, model, variant, shadows } = labels;
  const of = `${model === undefined ? '' : ` of model ${model}`}${variant === undefined ? '' : ` of variant ${variant}`}`;
  return `labels of ${labelSet} (tag ${tag}) of decisions${of}${shadows ? ' and shadows' : ''} from ${from} to ${to} as of ${asOf}`;
}

/** The time in a manifest. Throws `no-mature-labels` where nothing is archived yet. */
export function asOfText(asOfUs: number, labelSet: string): string {
  if (Number.isFinite(asOfUs)) return formatDateTime(asOfUs);
  throw new MillraceError(
    'no-mature-labels',
    `label set "${labelSet}": of a partition of its outcomes nothing is archived yet, so that no time is known up to which all outcomes are there`,
    { remedy: 'Wait for the archive of the outcomes ("millrace archive status"), and export again.', httpStatus: 409 },
  );
}
