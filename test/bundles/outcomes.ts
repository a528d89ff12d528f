import fc from 'fast-check';
import type { CompiledView, PreparedEvent } from '../../engine/define/compiled-view.ts';
import { canonical } from '../../engine/define/row-results.ts';

const values: Readonly<Record<string, readonly unknown[]>> = {
  id: ['a', 'b'],
  at: ['2026-01-02T03:04:05+01:00', '2026-01-02T03:04:05.000001Z', 'yesterday'],
  origin: ['LAS', 'NOT', 'too long'],
  amount: ['1.25', '-3.00', 2],
  delay: [null, 0, 5, 10, 0.5, -5, 905, 'x'],
  mail: [null, 'a@example.com', 'none'],
  tags: [null, ['ab'], ['a'], ['ab', 'cd', 'ef']],
  at_date: [null, '2026-01-02', '2026-02-30'],
  kind: ['a', 'c'],
  inner: [{ a: '-3' }, { a: '-4' }, { a: null }, {}],
};

/** What becomes of 30 random records, as text: refused with reasons, or what the view makes of them. */
export function outcomesOf(view: CompiledView, seed: number): string[] {
  const record = fc.record(
    Object.fromEntries(Object.entries(values).map(([name, some]) => [name, fc.constantFrom(...some)])),
  );
  return fc.sample(record, { seed, numRuns: 30 }).map((given) => {
    const decoded = view.source.contract.decodeJson(JSON.stringify(given));
    if (!decoded.ok) return `refused: ${decoded.reasons.join('; ')}`;
    const out: PreparedEvent = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs: [] };
    const event = { row: decoded.row, eventTimeUs: 1, id: null, partition: 0, offset: 0, number: 0 };
    const outcome = view.prepare(event, out);
    return outcome === 'ok' ? canonical([out.keyText, out.inputs]) : canonical(outcome);
  });
}
