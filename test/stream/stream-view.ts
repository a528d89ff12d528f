import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import type {
  CompiledSource,
  CompiledView,
  LogEvent,
  PreparedEvent,
  PrepareOutcome,
} from '../../engine/define/compiled-view.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;

/** What a test puts on the log: JSON of this, or anything else where it wants an invalid record. */
export interface Purchase {
  readonly id: string;
  /** ISO with offset. */
  readonly at: string;
  readonly customer: string | null;
  readonly amount: number | null;
  readonly kept?: boolean;
}

const layout: ViewLayout = {
  semantics: ENGINE_SEMANTICS,
  view: 'spending',
  entity: 'customer',
  keys: [{ name: 'customer', type: { kind: 'string' } }],
  tieBreak: 'id',
  groups: [
    { hopUs: HOUR_US, spanUs: 7 * DAY_US },
    { hopUs: null, spanUs: null },
  ],
  slots: [
    { partial: 'count', input: null, group: 0 },
    { partial: 'sum', input: { kind: 'int' }, group: 0 },
    { partial: 'last', input: { kind: 'int' }, group: 1 },
  ],
  features: [
    {
      name: 'purchases_1d',
      aggregate: 'count',
      slot: 0,
      windowUs: DAY_US,
      hopUs: HOUR_US,
      result: { kind: 'int' },
      nullable: false,
    },
    {
      name: 'spent_7d',
      aggregate: 'sum',
      slot: 1,
      windowUs: 7 * DAY_US,
      hopUs: HOUR_US,
      result: { kind: 'int' },
      nullable: true,
    },
    {
      name: 'last_amount',
      aggregate: 'last',
      slot: 2,
      windowUs: null,
      hopUs: null,
      result: { kind: 'int' },
      nullable: true,
    },
  ],
};

const contract = compileContract(
  z.object({
    id: z.string(),
    at: z.iso.datetime({ offset: true }),
    customer: z.string().nullable(),
    amount: z.int().nullable(),
    kept: z.boolean().optional(),
  }),
);

/** A view over purchases, made by hand so that the stream's tests do not depend on how definitions are compiled. */
export function spendingView(options: {
  topic: string | null;
  lifetime?: boolean;
  /** With the id of the largest purchase as a feature, too. */
  largest?: boolean;
  source?: Partial<CompiledSource>;
  fingerprint?: string;
}): CompiledView {
  const used: ViewLayout =
    options.lifetime === false
      ? {
          ...layout,
          groups: layout.groups.slice(0, 1),
          slots: layout.slots.slice(0, 2),
          features: layout.features.slice(0, 2),
        }
      : options.largest === true
        ? {
            ...layout,
            slots: [...layout.slots, { partial: 'maxBy', input: { kind: 'string' }, order: { kind: 'int' }, group: 1 }],
            features: [
              ...layout.features,
              {
                name: 'largest_id',
                aggregate: 'maxBy',
                slot: 3,
                windowUs: null,
                hopUs: null,
                result: { kind: 'string' },
                nullable: true,
              },
            ],
          }
        : layout;
  return {
    name: 'spending',
    layout: used,
    fingerprint: options.fingerprint ?? 'f'.repeat(64),
    source: {
      name: 'purchases',
      contract,
      eventTimeField: 'at',
      eventIdField: 'id',
      topic: options.topic,
      history: null,
      dedupeHorizonUs: DAY_US,
      maxAheadUs: HOUR_US,
      brokerTime: 'record',
      invalidLimit: { rate: 0.1, window: 1000 },
      ...options.source,
    },
    refreshMs: null,
    prepare: (event, out) => prepare(event, out, used.slots.length),
  };
}

function prepare(event: LogEvent, out: PreparedEvent, slots: number): PrepareOutcome {
  const { customer, amount, kept } = event.row;
  if (kept === false) return 'filtered';
  if (typeof customer !== 'string') return 'null-key';
  if (amount === 13) return { invalid: ['amount: the row function of spent_7d refused 13'] };
  const value = typeof amount === 'number' ? amount : null;
  out.keyText = customer;
  out.key = [customer];
  out.eventTimeUs = event.eventTimeUs;
  out.id = event.id;
  out.partition = event.partition;
  out.offset = event.offset;
  out.inputs[0] = true;
  out.inputs[1] = value;
  if (slots > 2) out.inputs[2] = value;
  if (slots > 3) {
    out.inputs[3] = value === null ? null : event.id;
    out.inputs[4] = value;
  }
  return 'ok';
}

/** The purchase as a record's value. */
export function purchaseBytes(purchase: Purchase): Buffer {
  return Buffer.from(JSON.stringify(purchase));
}
