import { createHash } from 'node:crypto';

/** The sample history of a new project, and rows to make a training set for. */
export interface SampleOrders {
  /** CSV. */
  readonly orders: string;
  /** CSV: join key, time, label. */
  readonly labels: string;
  readonly orderCount: number;
}

export const CUSTOMERS = 40;
export const DAYS = 60;
const ORDERS_PER_DAY = 12;
const DAY_MS = 86_400_000;

/** A number from 0 to under 1 that depends on what it is for alone: every project of a day gets the same orders. */
function share(subject: string): number {
  return createHash('sha256').update(subject).digest().readUInt32BE() / 2 ** 32;
}

function below(limit: number, subject: string): number {
  return Math.floor(share(subject) * limit);
}

function customerOf(number: number): string {
  return `c${String(number + 1).padStart(2, '0')}`;
}

/**
 * Orders of the days before `untilMs` (a UTC midnight), in order of time, and per customer a label in the last days.
 *
 * @param untilMs epoch ms
 */
export function sampleOrders(untilMs: number): SampleOrders {
  const orders = ['order_id,ordered_at,customer_id,amount,items,returned'];
  for (let day = 0; day < DAYS; day++) {
    const startMs = untilMs - (DAYS - day) * DAY_MS;
    const times = Array.from({ length: ORDERS_PER_DAY }, (_, n) => below(DAY_MS, `time ${day} ${n}`)).sort(
      (a, b) => a - b,
    );
    for (const [n, time] of times.entries()) {
      const id = `${day} ${n}`;
      // A few customers order much more than the others.
      const customer = Math.floor(share(`customer ${id}`) ** 2 * CUSTOMERS);
      const items = 1 + below(6, `items ${id}`);
      const cents = 500 + items * (500 + below(3_000, `price ${id}`));
      const returned = share(`returned ${id}`) < 0.08;
      const at = new Date(startMs + time).toISOString();
      orders.push(
        `o${day * ORDERS_PER_DAY + n + 1},${at},${customerOf(customer)},${(cents / 100).toFixed(2)},${items},${returned}`,
      );
    }
  }
  const labels = ['customer_id,event_timestamp,churned'];
  for (let number = 0; number < CUSTOMERS; number++) {
    const at = new Date(
      untilMs - (1 + below(20, `label day ${number}`)) * DAY_MS + below(DAY_MS, `label time ${number}`),
    );
    labels.push(`${customerOf(number)},${at.toISOString()},${share(`churned ${number}`) < 0.3}`);
  }
  return { orders: `${orders.join('\n')}\n`, labels: `${labels.join('\n')}\n`, orderCount: orders.length - 1 };
}
