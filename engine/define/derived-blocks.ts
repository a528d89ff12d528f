import type { AnyBlock, DerivedBlock, DerivedSet } from '../derived/derived-feature.ts';

/** One block, or up to four, each of which sees those before it: `S1` after the first, `S2` after the second, `S3` after the third. */
export type Blocks<
  Values,
  Context,
  D1 extends DerivedSet,
  D2 extends DerivedSet,
  D3 extends DerivedSet,
  D4 extends DerivedSet,
  S1,
  S2,
  S3,
> =
  | DerivedBlock<Values, Context, D1>
  | readonly [
      DerivedBlock<Values, Context, D1>,
      DerivedBlock<Values & S1, Context, D2>?,
      DerivedBlock<Values & S2, Context, D3>?,
      DerivedBlock<Values & S3, Context, D4>?,
    ];

/** The blocks of a definition as a list; what is none is judged later. */
export function blocksOf(derived: AnyBlock | readonly AnyBlock[] | undefined): readonly AnyBlock[] {
  if (derived === undefined) return [];
  return Array.isArray(derived) ? [...(derived as readonly AnyBlock[])] : [derived as AnyBlock];
}
