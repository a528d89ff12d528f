import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileSource } from '../../engine/define/compile-source.ts';
import { decisions } from '../../engine/define/decisions.ts';
import { lawRuns } from './law-seed.ts';

interface Said {
  readonly acted: boolean;
  readonly shadow_of: string | null;
  readonly action: string;
  readonly propensity: number | null;
  readonly assignment_propensity: number | null;
  readonly alternatives: readonly { readonly action: string; readonly propensity?: number | null }[];
  readonly more_alternatives: number;
}

/** The sentences, one by one, in whole thousandths of the tolerance where sums are judged. */
function isLegal(said: Said): boolean {
  const chances = said.alternatives.map(({ propensity }) => propensity ?? null);
  const actions = [said.action, ...said.alternatives.map(({ action }) => action)];
  const taken = said.propensity;
  if (said.alternatives.length > 100 || said.more_alternatives < 0) return false;
  if (new Set(actions).size !== actions.length) return false;
  if (taken !== null && !(taken > 0 && taken <= 1)) return false;
  if (said.assignment_propensity !== null && !(said.assignment_propensity > 0 && said.assignment_propensity <= 1))
    return false;
  if (said.acted !== (said.shadow_of === null)) return false;
  if (chances.some((chance) => chance !== null)) {
    if (taken === null || chances.some((chance) => chance === null || chance < 0 || chance > 1)) return false;
    const sum = [taken, ...(chances as number[])].reduce(
      (total, chance) => total + BigInt(Math.round(chance * 1e12)),
      0n,
    );
    if (sum > 1_000_000_001_000n) return false;
    if (said.more_alternatives === 0 && sum < 999_999_999_000n) return false;
  }
  return true;
}

/** Whole numbers of 1e-10, so that sums lie on either side of the tolerance and never on it. */
const chance = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0.25, 0.5, 0.125) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 0.5000000002, 0.4999999995, 0.2500000002, 0.24999999, 1.0000000004) },
  { weight: 1, arbitrary: fc.constantFrom(-0.25, 1.5) },
);
const said: fc.Arbitrary<Said> = fc.record({
  acted: fc.boolean(),
  shadow_of: fc.option(fc.constant('d-0')),
  action: fc.constantFrom('a', 'b', 'c'),
  propensity: fc.option(chance, { freq: 6 }),
  assignment_propensity: fc.option(fc.constantFrom(0.5, 1, 0, 1.1), { freq: 1 }),
  alternatives: fc.oneof(
    {
      weight: 9,
      arbitrary: fc.array(
        fc.record({ action: fc.constantFrom('a', 'b', 'c', 'd', 'e'), propensity: fc.option(chance, { freq: 8 }) }),
        { maxLength: 4 },
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: 99, max: 101 })
        .map((n) => Array.from({ length: n }, (_, at) => ({ action: `x${at}` }))),
    },
  ),
  more_alternatives: fc.constantFrom(0, 0, 0, 1, -1),
});
/** Mostly wrong at one place alone. */
const nearly = fc
  .tuple(
    said,
    fc.subarray(
      ['acted', 'propensity', 'assignment_propensity', 'alternatives', 'more_alternatives', 'action'] as const,
      { maxLength: 2 },
    ),
  )
  .map(([one, kept]): Said => {
    const sound: Said = {
      acted: true,
      shadow_of: null,
      action: 'a',
      propensity: 0.5,
      assignment_propensity: null,
      alternatives: [
        { action: 'b', propensity: 0.25 },
        { action: 'c', propensity: 0.25 },
      ],
      more_alternatives: 0,
    };
    return { ...sound, ...Object.fromEntries(kept.map((name) => [name, one[name]])) };
  });

test('a record of a decision is legal where the issue says it is, and else has reasons that name its fields', () => {
  const { source } = compileSource(
    decisions('offers', { context: z.object({ shop: z.string().optional() }) }),
    '/',
    (code) => {
      throw new Error(code);
    },
  );
  const verdicts = { legal: 0, refused: 0 };
  fc.assert(
    fc.property(fc.oneof(said, nearly), (one) => {
      const record = {
        decision_id: 'd',
        decided_at: '2001-06-01T00:00:00Z',
        request_ids: [],
        reads: [],
        context: {},
        ...one,
      };
      const decoded = source.contract.decodeJson(JSON.stringify(record));
      const isFit = isLegal(one);
      verdicts[isFit ? 'legal' : 'refused']++;
      expect(decoded.ok).toBe(isFit);
      if (decoded.ok) return;
      for (const reason of decoded.reasons) expect(Object.keys(record)).toContain(/^[a-z_]+/.exec(reason)?.[0]);
    }),
    lawRuns(2000),
  );
  expect(Math.min(verdicts.legal, verdicts.refused)).toBeGreaterThan(200);
});
