import type { Click } from './clicks-world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A click that is of a kind. */
export interface Payment extends Click {
  readonly kind: string;
}

/** What tells one definition of the payments from another that is made of the same states. */
export interface PaymentsDefinition {
  readonly expireDays: number;
  /** Of `total_3d`. */
  readonly fill: number;
  /** What `share` is multiplied by. */
  readonly factor: number;
}

export const PAYMENTS: PaymentsDefinition = { expireDays: 2, fill: 0, factor: 1 };

/** A view with a map, a histogram, a list, quantiles, a default and a derived feature that expires within its windows, and a service that has it in two roles. */
export function paymentsText(
  { view, topic, source }: { readonly view: string; readonly topic: string; readonly source: string },
  { expireDays, fill, factor }: PaymentsDefinition,
): string {
  return `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const person = entity('person', { person: z.string() });
const payments = source('${source}', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), person: z.string(), kind: z.string(), amount: z.int() }),
  eventTime: 'at', eventId: 'id', topic: '${topic}', history: { path: 'data/*.jsonl', disjoint: true },
});
export const ${view} = featureView('${view}', {
  entity: person, source: payments, expire: '${expireDays}d', where: (e) => e.amount !== 13,
  features: (f) => ({
    n_1d: f.count().over('1d'),
    total_3d: f.sum('amount').over('3d').default(${fill}),
    by_kind: f.sum('amount').by('kind').over('3d'),
    kinds: f.histogram('kind').over('3d'),
    recent: f.lastN('amount', 3).over('1d'),
    spread: f.quantiles('amount', [0, 1]).over('3d'),
  }),
  derived: (d) => ({ share: d.number((v) => (v.n_1d === 0 || v.total_3d === null ? null : (${factor} * v.total_3d) / v.n_1d)) }),
});
export const ${view}_service = featureService('${view}_service', {
  views: [${view}.as('payer', { person: 'payer' }), ${view}.as('payee', { person: 'payee' }), ${view}],
  request: z.object({ amount: z.int() }),
  derived: (d) => ({ ratio: d.number(({ payer }, { request }) => (payer.total_3d === null ? null : payer.total_3d / request.amount)) }),
});
`;
}

/** What a read of a person gives. */
export interface PaymentsRead {
  readonly found: boolean;
  readonly values: Readonly<Record<string, unknown>>;
}

/** From scratch, naively: what a read at `atMs` gives of a person. */
export function paymentsOf(
  all: readonly Payment[],
  person: string,
  atMs: number,
  { expireDays, fill, factor }: PaymentsDefinition,
): PaymentsRead {
  const own = all
    .filter((payment) => payment.person === person && payment.amount !== 13 && Date.parse(payment.at) < atMs)
    .toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.id < b.id ? -1 : 1));
  const newest = own.at(-1);
  const found = newest !== undefined && Date.parse(newest.at) > atMs - expireDays * DAY;
  const since = (days: number): readonly Payment[] =>
    found ? own.filter(({ at }) => Date.parse(at) >= Math.floor((atMs - days * DAY) / HOUR) * HOUR) : [];
  const [day, three] = [since(1), since(3)];
  const sum = (of: readonly Payment[]): number => of.reduce((total, { amount }) => total + amount, 0);
  const byKind = (value: (of: readonly Payment[]) => number): Readonly<Record<string, number>> | null => {
    const kinds = [...new Set(three.map(({ kind }) => kind))];
    return kinds.length === 0
      ? null
      : Object.fromEntries(kinds.map((kind) => [kind, value(three.filter((payment) => payment.kind === kind))]));
  };
  const total = three.length === 0 ? fill : sum(three);
  const amounts = three.map(({ amount }) => amount);
  return {
    found,
    values: {
      n_1d: day.length,
      total_3d: total,
      by_kind: byKind(sum),
      kinds: byKind((of) => of.length),
      recent: day.length === 0 ? null : day.slice(-3).map(({ amount }) => amount),
      spread: amounts.length === 0 ? null : [Math.min(...amounts), Math.max(...amounts)],
      share: day.length === 0 ? null : (factor * total) / day.length,
    },
  };
}
