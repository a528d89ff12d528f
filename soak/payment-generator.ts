import { anyCurrency, anyCustomer, anyShop } from './payment-entities.ts';
import type { Random } from './random.ts';

const LATE_SHARE = 0.05;
const DUPLICATE_SHARE = 0.02;
const INVALID_SHARE = 0.01;
const TOMBSTONE_SHARE = 0.002;
const NO_CUSTOMER_SHARE = 0.01;
const TIE_SHARE = 0.6;
/** Resends come from among this many records: far enough apart to fall into other micro-batches, within the horizon of dedupe. */
const REMEMBERED = 2_000;
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const NOTES = [
  'gift',
  'Gift',
  'refund',
  'caf\u00e9',
  'cafe\u0301',
  '\u{1f6d2} cart',
  'a',
  'aa',
  'Z',
  '~',
  'straße',
  '',
];

/** A payment as it stands on the wire. */
export interface Payment {
  readonly payment_id: string;
  readonly at: string;
  readonly shop: string;
  readonly customer: number | null;
  readonly currency: string;
  readonly amount: string;
  readonly fee: number | null;
  readonly units: string;
  readonly note: string | null;
  readonly rating: number | null;
  readonly express: boolean;
}

/** A record to be sent. */
export interface TopicRecord {
  readonly key: string;
  readonly value: string | null;
}

/**
 * Makes the records of the synthetic source: ties of event time, 5 % late, 2 % resent (half of them with another content under the same
 * id), 1 % invalid, and all a little out of order.
 */
export class PaymentGenerator {
  readonly #random: Random;
  readonly #prefix: string;
  readonly #sent: TopicRecord[] = [];
  #number = 0;

  /** @param prefix of the ids: two generators must not share it */
  constructor(random: Random, prefix: string) {
    this.#random = random;
    this.#prefix = prefix;
  }

  /** The next record, whatever it is. */
  next(nowMs: number): TopicRecord {
    const random = this.#random;
    const dice = random.real();
    if (dice < INVALID_SHARE) return this.#invalid(nowMs);
    if (dice < INVALID_SHARE + DUPLICATE_SHARE && this.#sent.length > 0) return this.#resent();
    if (dice < INVALID_SHARE + DUPLICATE_SHARE + TOMBSTONE_SHARE) return { key: 'gone', value: null };
    const record = recordOf(this.payment(this.#eventTimeMs(nowMs)));
    if (this.#sent.length < REMEMBERED) this.#sent.push(record);
    else this.#sent[random.int(0, REMEMBERED)] = record;
    return record;
  }

  /** A valid payment at a time (ms), with a new id. */
  payment(atMs: number): Payment {
    const random = this.#random;
    // Neither the order of ids nor their length follows time.
    const id = `${this.#prefix}${random.int(0, 36 ** 4).toString(36)}-${(this.#number++).toString(36)}`;
    return {
      payment_id: id,
      at: new Date(atMs).toISOString(),
      shop: anyShop(random),
      customer: random.chance(NO_CUSTOMER_SHARE) ? null : anyCustomer(random),
      currency: anyCurrency(random),
      amount: `${random.chance(0.05) ? '-' : ''}${random.int(0, 10 ** random.int(1, 6)) + 1}.${String(random.int(0, 100)).padStart(2, '0')}`,
      fee: random.chance(0.1) ? null : this.#fee(),
      units: this.#units(),
      note: random.chance(0.3) ? null : random.pick(NOTES),
      rating: random.chance(0.4) ? null : random.int(1, 6),
      express: random.chance(0.5),
    };
  }

  #eventTimeMs(nowMs: number): number {
    const random = this.#random;
    // Later than some windows see, earlier than others: what is late differs from view to view.
    if (random.chance(LATE_SHARE))
      return nowMs - random.int(60 * SECOND_MS, random.chance(0.1) ? 60 * HOUR_MS : 3 * HOUR_MS);
    const atMs = nowMs - random.int(0, 3 * SECOND_MS);
    return random.chance(TIE_SHARE) ? atMs - (atMs % SECOND_MS) : atMs;
  }

  /** Over the whole double range now and then: a sum that rounds on the way does not survive it. */
  #fee(): number {
    const random = this.#random;
    const value = random.real() * 10 ** random.int(-8, 5);
    if (random.chance(0.01)) return random.pick([1e16, -1e16, 1e-300, 0.1, -0.1, Number.MIN_VALUE]);
    return random.chance(0.5) ? Math.round(value * 100) / 100 : value;
  }

  #units(): string {
    const random = this.#random;
    if (random.chance(0.02)) return random.pick(['9007199254740993', '-9007199254740993', '4611686018427387']);
    return String(random.int(-5, 1_000));
  }

  #resent(): TopicRecord {
    const record = this.#random.pick(this.#sent);
    if (record.value === null || this.#random.chance(0.5)) return record;
    return {
      ...record,
      value: JSON.stringify({ ...(JSON.parse(record.value) as Payment), amount: '0.01', rating: 1 }),
    };
  }

  #invalid(nowMs: number): TopicRecord {
    const payment = this.payment(nowMs);
    const record = recordOf(payment);
    const spoilt = (change: Readonly<Record<string, unknown>>): TopicRecord => ({
      ...record,
      value: JSON.stringify({ ...payment, ...change }),
    });
    return this.#random.pick([
      (): TopicRecord => ({ ...record, value: '' }),
      (): TopicRecord => ({ ...record, value: 'not json' }),
      (): TopicRecord => ({ ...record, value: record.value?.slice(0, -7) ?? '' }),
      () => spoilt({ rating: 9 }),
      () => spoilt({ amount: '1.234' }),
      () => spoilt({ currency: 'XXX' }),
      () => spoilt({ units: 1.5 }),
      () => spoilt({ at: 'yesterday' }),
      () => spoilt({ at: new Date(nowMs + 3 * HOUR_MS).toISOString() }),
      () => spoilt({ express: null }),
    ])();
  }
}

/** Keyed by customer: resends meet in one partition, while a shop's records are spread over all of them. */
export function recordOf(payment: Payment): TopicRecord {
  return { key: String(payment.customer), value: JSON.stringify(payment) };
}
