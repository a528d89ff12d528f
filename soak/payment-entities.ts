import type { Random } from './random.ts';
import { CURRENCIES } from './features/payments.ts';

const CUSTOMERS = 4_000;
const HOT_CUSTOMER = 1;
const HOT_SHARE = 0.1;
const SHOPS = 60;
const DAY_MS = 86_400_000;

/** One hot customer, then a long tail. */
export function anyCustomer(random: Random): number {
  if (random.chance(HOT_SHARE)) return HOT_CUSTOMER;
  return 2 + Math.floor(CUSTOMERS * random.real() ** 3);
}

/** Some shops are busier than others; a few names differ only in their bytes. */
export function anyShop(random: Random): string {
  const number = Math.floor(SHOPS * random.real() ** 2);
  if (number === 3) return 'S-\u00e9t\u00e9';
  if (number === 4) return 'S-e\u0301te\u0301';
  return `S-${String(number).padStart(2, '0')}`;
}

export function anyCurrency(random: Random): (typeof CURRENCIES)[number] {
  return random.pick(CURRENCIES);
}

/** A day that has payments, as a date, up to four days back. */
export function anyDay(random: Random, nowMs: number): string {
  return new Date(nowMs - random.int(0, 4) * DAY_MS).toISOString().slice(0, 10);
}
