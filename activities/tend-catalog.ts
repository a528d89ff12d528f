import { type Bounded, boundCatalog, type BoundCatalogOptions } from '../engine/archive/bound-catalog.ts';
import { Repeated } from '../engine/slice/repeated.ts';

export interface TendingOptions extends Omit<BoundCatalogOptions, 'signal'> {
  readonly everyMs: number;
  readonly onBounded: (bounded: readonly Bounded[]) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Holds what grows with the log to its bounds, again and again, while a worker runs.
 *
 * @example
 * const tender = tendCatalog({ pool, bounds, everyMs: 60_000, onBounded, onError });
 * tender.start();
 */
export function tendCatalog({ everyMs, onBounded, onError, ...options }: TendingOptions): Repeated {
  const run = async (signal: AbortSignal): Promise<void> => {
    const bounded = await boundCatalog({ ...options, signal });
    if (bounded.length > 0) onBounded(bounded);
  };
  return new Repeated({ run, everyMs, onError });
}
