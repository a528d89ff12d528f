import type { MonitorSegment } from '../../engine/monitors/monitor-bucket.ts';
import { keyOf, partitionOf, type SentDeparture } from './departures.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** A Monday: the week that is replayed, with each fault of its own. */
export const WEEK_MS = Date.UTC(2001, 5, 4);

/** What is to be found of a fault. The demo alone knows it: no monitor does. */
export interface FaultTruth {
  /** The source or view. */
  readonly object: string;
  /** The feature or field, null: its records. Empty: any of the object's. */
  readonly fields: readonly (string | null)[];
  readonly segment: MonitorSegment | null;
  readonly place: 'producer' | 'source' | 'transformation' | 'store' | 'serving';
}

/** Something that goes wrong in the week. */
export interface WatchFault {
  readonly name: string;
  /** For people. */
  readonly what: string;
  /** Since when it is so, UTC epoch ms. */
  readonly fromMs: number;
  readonly truth: FaultTruth;
  /** What becomes of the records that are sent. */
  readonly plant: (sent: readonly SentDeparture[]) => readonly SentDeparture[];
  /** What is done beside the records. */
  readonly also: 'changes-row' | null;
}

/** Wednesday of the week, at an hour, UTC. */
const wednesday = (hour: number): number => WEEK_MS + 2 * DAY_MS + hour * HOUR_MS;

export const CHANGED_AIRPORT = 'SFO';
const NULL_AIRPORT = 'LAX';
const HOURS_AIRPORT = 'LAX';
const DOUBLED_PARTITION = 2;
const SILENT_HOURS = 3;

export const WATCH_FAULTS: readonly WatchFault[] = [
  {
    name: 'null-delay',
    what: `the delay of flights from ${NULL_AIRPORT} is null`,
    fromMs: wednesday(13),
    truth: source(['delay'], { name: 'origin', value: NULL_AIRPORT }, 'producer'),
    plant: changed(
      wednesday(13),
      ({ origin }) => origin === NULL_AIRPORT,
      () => null,
    ),
    also: null,
  },
  {
    name: 'minutes-to-hours',
    what: `the delay of flights from ${HOURS_AIRPORT} is in hours, no longer in minutes`,
    fromMs: wednesday(6),
    truth: source(['delay'], { name: 'origin', value: HOURS_AIRPORT }, 'producer'),
    plant: changed(
      wednesday(6),
      ({ origin }) => origin === HOURS_AIRPORT,
      (delay) => (delay === null ? null : delay / 60),
    ),
    also: null,
  },
  {
    name: 'doubled-partition',
    what: `each record of partition ${DOUBLED_PARTITION} is sent twice, with new ids`,
    fromMs: wednesday(13),
    truth: source([null], { name: 'partition', value: String(DOUBLED_PARTITION) }, 'producer'),
    plant: (sent) => sent.flatMap((record) => (isDoubled(record) ? [record, twin(record)] : [record])),
    also: null,
  },
  {
    name: 'silent-feed',
    what: `nothing is sent for ${SILENT_HOURS} hours`,
    fromMs: wednesday(15),
    truth: source([null], null, 'source'),
    plant: (sent) => sent.filter((record) => !isSilent(record)),
    also: null,
  },
  {
    name: 'changed-row',
    what: `the stored row of ${CHANGED_AIRPORT} is changed by hand`,
    fromMs: wednesday(13),
    truth: {
      object: 'airport_departures',
      fields: [],
      segment: { name: 'origin', value: CHANGED_AIRPORT },
      place: 'store',
    },
    plant: unchanged,
    also: 'changes-row',
  },
];

function source(
  fields: FaultTruth['fields'],
  segment: MonitorSegment | null,
  place: 'producer' | 'source',
): FaultTruth {
  return { object: 'departures', fields, segment, place };
}

function unchanged(sent: readonly SentDeparture[]): readonly SentDeparture[] {
  return sent;
}

function changed(
  fromMs: number,
  of: (departure: SentDeparture['departure']) => boolean,
  delayOf: (delay: number | null) => number | null,
): WatchFault['plant'] {
  return (sent) =>
    sent.map((record) => {
      const { sentMs, departure } = record;
      if (sentMs < fromMs || !of(departure)) return record;
      return { sentMs, departure: { ...departure, delay: delayOf(departure.delay) } };
    });
}

function isDoubled({ sentMs, departure }: SentDeparture): boolean {
  return sentMs >= wednesday(13) && partitionOf(keyOf(departure)) === DOUBLED_PARTITION;
}

/** The same flight under an id that nobody has seen. */
function twin({ sentMs, departure }: SentDeparture): SentDeparture {
  return { sentMs, departure: { ...departure, flight_id: `${departure.flight_id}-2` } };
}

/** What was to be sent in the silence never comes. */
function isSilent({ sentMs }: SentDeparture): boolean {
  const fromMs = wednesday(15);
  return sentMs >= fromMs && sentMs < fromMs + SILENT_HOURS * HOUR_MS;
}
