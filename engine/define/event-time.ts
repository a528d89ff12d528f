import type { FieldPlan } from '../contract/field-plan.ts';
import { fieldOf, type StoredField } from '../contract/stored-field.ts';
import type { CompiledSource } from './compiled-view.ts';
import { daysOfDate, MICROS_PER_DAY } from '../values/date-days.ts';

/** From the value of a source's event time field, as rows hold it, to its event time, epoch µs. */
export type EventTime = (value: unknown) => number;

/**
 * When an event happened (design §4): a datetime or an epoch as it is; a date at the midnight it begins with, or at the one after it.
 *
 * @example
 * eventTimeOf({ eventTimeAt: 'end' })('1970-01-01'); // 86400000000
 */
export function eventTimeOf({ eventTimeAt }: Pick<CompiledSource, 'eventTimeAt'>): EventTime {
  if (eventTimeAt === undefined) return (value) => value as number;
  const days = eventTimeAt === 'end' ? 1 : 0;
  // A day's events come together.
  let last: unknown = null;
  let lastUs = 0;
  return (value) => {
    if (value !== last) {
      last = value;
      lastUs = (daysOfDate(value as string) + days) * MICROS_PER_DAY;
    }
    return lastUs;
  };
}

/** The dates that have both midnights within the safe integers. */
const FIRST_DATE = '1684-07-29';
const LAST_DATE = '2255-06-04';

/** The rule that makes a date an event time. */
const EVENT_TIME = 'event time';

/** The plan of an event time field: a date is held to those that are times as well. */
export function eventTimePlan(plan: FieldPlan): FieldPlan {
  if (plan.spec.type.kind !== 'date') return plan;
  return {
    ...plan,
    accepts: (date: string) => date >= FIRST_DATE && date <= LAST_DATE,
    rules: [...plan.rules, EVENT_TIME],
    expected: `${plan.expected} from ${FIRST_DATE} to ${LAST_DATE}`,
  };
}

/** A field of a stored contract as its schema gave it: `eventTimePlan` comes after. */
export function schemaField(stored: StoredField): FieldPlan {
  return fieldOf(
    stored,
    stored.rules.filter((rule) => rule !== EVENT_TIME),
  );
}
