import { roleAt } from '../engine/define/service-blocks.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { LAG_KINDS } from '../engine/training/comparison-types.ts';
import { RESULT_MOST_BYTES } from '../workflows/bounded.ts';
import type { ExportSummary } from '../workflows/export-training-set/contract.ts';

/** What is said of an export beside its features: paths, hash, counts. */
const REST_BYTES = 20_000;
const ROWS = Number.MAX_SAFE_INTEGER;
const SHARE = 0.000_012_345_678_901_234_5;

/** A feature service, as far as its size goes. */
interface ExportedService {
  readonly name: string;
  readonly blocks: readonly {
    readonly name: string;
    readonly view: {
      readonly name: string;
      readonly layout: { readonly features: readonly { readonly name: string }[] };
    };
  }[];
  /** What it derives. */
  readonly derived?: readonly { readonly name: string }[] | undefined;
}

/**
 * Refuses, before anything is done, an export whose result Temporal would not take: it says something of every feature.
 *
 * @throws MillraceError `result-too-large`
 */
export function refuseLargeExport(service: ExportedService, compare: boolean): void {
  const bytes = exportResultBytes(service, compare);
  if (bytes <= RESULT_MOST_BYTES) return;
  const features = columnsOf(service).reduce((sum, { view }) => sum + view.layout.features.length, 0);
  throw new MillraceError(
    'result-too-large',
    `feature service "${service.name}": what an export of its ${features} features${compare ? ', compared,' : ''} comes to is up to ${bytes} bytes; Temporal takes ${RESULT_MOST_BYTES}`,
    {
      remedy: compare
        ? 'Leave the comparison out (CLI: --compare), or divide the service.'
        : 'Divide the service into several, or make names shorter.',
      httpStatus: 409,
    },
  );
}

/**
 * How many bytes the result of an export of a service takes at most, as JSON; found by writing the largest.
 *
 * @param compare whether the modes are compared, which says more of each feature
 */
export function exportResultBytes(service: ExportedService, compare: boolean): number {
  let bytes = REST_BYTES;
  for (const block of columnsOf(service)) {
    bytes += 2 * written({ of: block.name, why: 'not-served', rows: ROWS });
    for (const { name: feature } of block.view.layout.features) {
      const column = `${block.name}__${feature}`;
      bytes += written(summaryOf(column)) + (compare ? written(comparedOf(block, feature, column)) : 0);
    }
  }
  return bytes;
}

/** What it derives is told as one more of its blocks is. */
function columnsOf({ name, blocks, derived = [] }: ExportedService): ExportedService['blocks'] {
  return derived.length === 0 ? blocks : [...blocks, { name, view: { name, layout: { features: derived } } }];
}

function written(entry: object): number {
  return Buffer.byteLength(JSON.stringify(entry)) + 1;
}

function summaryOf(column: string): ExportSummary['features'][number] {
  return {
    column,
    nullRate: SHARE,
    errors: { 'value-out-of-range': ROWS, 'too-many-distinct': ROWS, 'state-corrupt': ROWS },
  };
}

type Compared = NonNullable<ExportSummary['comparison']>['features'][number];

function comparedOf(block: ExportedService['blocks'][number], feature: string, column: string): Compared {
  const kinds = Object.fromEntries(LAG_KINDS.map((kind) => [kind, ROWS])) as Compared['kinds'];
  return {
    view: block.view.name,
    ...roleAt(block),
    feature,
    column,
    labels: ROWS,
    differing: ROWS,
    share: SHARE,
    absolute: { labels: ROWS, mean: -Number.MAX_VALUE, max: Number.MAX_VALUE },
    nullEventTime: ROWS,
    nullAsServed: ROWS,
    kinds,
    split: { ...kinds, several: ROWS, other: ROWS },
  };
}
