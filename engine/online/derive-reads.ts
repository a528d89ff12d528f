import type { DerivedCode } from '../define/derived-code.ts';
import { seenOfAll } from '../define/seen-values.ts';
import { createServiceDerive, type RequestValues } from '../derived/derive-service.ts';
import type { DerivedFailure, DerivedPlan } from '../derived/derive-step.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { type Cell, CellError } from '../values/cell.ts';
import { errorOf, splitCells } from '../values/feature-errors.ts';
import type { ViewRead } from './view-read.ts';

/** A view or role of a service, as its functions see it. */
export type DerivedOver = Pick<DerivedCode['blocks'][number], 'name' | 'view' | 'features'>;

/** What a service derives of one read of each of its blocks, in its order: per derived feature a value as the engine carries it, and errors beside. */
export type DeriveReads = (
  reads: readonly ViewRead[],
  request: RequestValues,
  atUs: number,
  onFailed?: (failure: DerivedFailure) => void,
) => ReturnType<typeof splitCells>;

/**
 * Makes what computes a service's derived features of reads. A read may have more features than the definition, and in another order: they are told by name.
 *
 * @example
 * const derive = createDeriveReads('delay_model', [{ name: 'from', view: 'airport_traffic', features: layout.features }], plans);
 * const { values, errors } = derive(reads, { seats: 180 }, atUs);
 */
export function createDeriveReads(
  service: string,
  blocks: readonly DerivedOver[],
  plans: readonly DerivedPlan[],
): DeriveReads {
  const derive = createServiceDerive(
    service,
    blocks.map((block) => ({ name: block.name, values: seenOfAll(block) })),
    plans,
  );
  const cells = blocks.map(cellsBy);
  return (reads, request, atUs, onFailed) =>
    splitCells(
      plans,
      derive(
        reads.map((read, block) => cells[block]!(read)),
        request,
        atUs,
        onFailed,
      ),
    );
}

/** The values and errors of a read as cells again, in the order that the functions see. */
function cellsBy({ view, features }: DerivedOver): (read: ViewRead) => readonly Cell[] {
  // A version's features are one array for as long as a reader of it lives.
  const known = new WeakMap<ViewRead['features'], readonly number[]>();
  const placesIn = (read: ViewRead['features']): readonly number[] => {
    const found = known.get(read);
    if (found !== undefined) return found;
    const places = features.map(({ name }) => {
      const place = read.findIndex((feature) => feature.name === name);
      if (place < 0) throw internalBug(`feature "${name}" of view "${view}" was not read`);
      return place;
    });
    known.set(read, places);
    return places;
  };
  return ({ features: read, values, errors }) =>
    placesIn(read).map((place): Cell => {
      const code = errorOf(errors, read[place]!.name);
      return code === undefined ? values[place]! : CellError.of(code);
    });
}

/**
 * Refuses a read of another version of a view than is of the version of the service which was served when it was looked for.
 *
 * @param tags of the features that the service's version names
 * @throws MillraceError `view-changing` (retryable)
 * @example
 * refuseFlipped('delay_model', served.views.airport_traffic, read);
 */
export function refuseFlipped(service: string, tags: FeatureTags, read: ViewRead): void {
  if (Object.entries(tags).every(([feature, tag]) => read.tags?.[feature] === tag)) return;
  throw new MillraceError(
    'view-changing',
    `view "${read.view}" changed its version while service "${service}" was read`,
    {
      remedy: 'Try again.',
      retryable: true,
      httpStatus: 503,
    },
  );
}
