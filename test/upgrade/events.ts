/** The events of the upgrade fixture: the same ones at every making. Nothing here knows of Millrace. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The instant all is laid out around, and `at` of the expected reads: after every event. */
export const AT = '2026-11-28T08:00:00Z';
const AT_MS = Date.parse(AT);
/** `until` of the source `visits`. */
const UNTIL_MS = Date.parse('2026-11-23T08:00:00Z');

/** An entity no event is about. */
export const NEVER_SEEN = 'never-seen';
/** The site of two visits at one instant whose ids, 99 and 100, order differently as texts and as numbers. */
export const TIES_SITE = 'ties.example';

export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** A record as it is sent: its broker timestamp is a little after its event time, as from a live producer. */
export interface TopicRecord {
  readonly key: string;
  readonly value: string;
  /** Epoch ms. */
  readonly timestamp: number;
}

/** One source's events: history rows in time order, and topic records in the batches the making sends them in. */
export interface SourceEvents {
  readonly topic: string;
  readonly history: readonly Row[];
  readonly batches: readonly (readonly TopicRecord[])[];
  /** What a test sends after a restore to see the view go on. */
  readonly later: readonly TopicRecord[];
}

/** Numbers in [0, 1), the same for a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** `count` times in [from, until), in order, roughly evenly spread. */
function timesBetween(random: () => number, fromMs: number, untilMs: number, count: number): number[] {
  const step = (untilMs - fromMs) / count;
  return Array.from({ length: count }, (_, index) => Math.floor(fromMs + (index + 0.9 * random()) * step));
}

/** ISO text with microseconds, of which the last three digits are made up. */
function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}${String((ms * 7) % 1000).padStart(3, '0')}Z`;
}

function pick<Item>(random: () => number, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

function recordOf(key: string, row: Row, atMs: number): TopicRecord {
  return { key, value: JSON.stringify(row), timestamp: atMs + 2_000 };
}

/** Cuts into parts of these sizes; the last takes the rest. */
function cut<Item>(items: readonly Item[], sizes: readonly number[]): Item[][] {
  let from = 0;
  const parts = sizes.map((size) => items.slice(from, (from += size)));
  return [...parts, items.slice(from)];
}

/** The same record sent once more, a minute after `after` was. */
function again(record: TopicRecord, after: TopicRecord): TopicRecord {
  return { ...record, timestamp: after.timestamp + MINUTE_MS };
}

const CUSTOMERS = ['ada', 'bob', 'çelik', 'dora', 'émile', 'fay', 'gus', 'hana'];
const NOTES = [null, null, 'gift', 'leave at the door', 'Grüße', '注意', '🎁 ring twice', ''];

function order(random: () => number, id: number, atMs: number): Row {
  return {
    order_id: `O-${id}`,
    placed_at: iso(atMs),
    customer: pick(random, CUSTOMERS),
    country: pick(random, ['DE', 'FR', 'US']),
    amount: (Math.floor(random() * 50_000) / 100).toFixed(2),
    items: 1 + Math.floor(random() * 54),
    weight: random() < 0.15 ? null : random() * 10 ** Math.floor(random() * 9 - 4),
    points: String(BigInt(Math.floor(random() * 2 ** 32)) * 1_000_003n),
    express: random() < 0.3,
    note: pick(random, NOTES),
  };
}

const customerOf = (row: Row): string => String(row['customer']);

/** Orders: 25 to 4 days ago in files, from then on in the topic, resends, a straggler and one dead letter among them. */
export function orderEvents(): SourceEvents {
  const random = randomOf(1);
  const topicFromMs = AT_MS - 4 * DAY_MS;
  const historyTimes = timesBetween(random, AT_MS - 25 * DAY_MS, topicFromMs - HOUR_MS, 300);
  const topicTimes = [
    ...timesBetween(random, topicFromMs, AT_MS - 3 * HOUR_MS, 200),
    ...timesBetween(random, AT_MS - 3 * HOUR_MS, AT_MS - 2 * MINUTE_MS, 60),
  ];
  const history = historyTimes.map((atMs, index) => order(random, 1_000 + index, atMs));
  // A row that the export has twice.
  history.splice(151, 0, history[150] as Row);
  const records = topicTimes.map((atMs, index) => {
    const row = order(random, 2_000 + index, atMs);
    // A straggler: placed three hours before it was sent.
    const placed = index === 180 ? { ...row, placed_at: iso(atMs - 3 * HOUR_MS) } : row;
    return recordOf(customerOf(placed), placed, atMs);
  });
  const [beforeCut, catchingUp, streamed, last] = cut(records, [130, 50, 50]) as [
    TopicRecord[],
    TopicRecord[],
    TopicRecord[],
    TopicRecord[],
  ];
  beforeCut.splice(60, 0, again(beforeCut[55]!, beforeCut[59]!));
  // A resend of what came before the cut, after it.
  catchingUp.splice(10, 0, again(beforeCut.at(-1)!, catchingUp[9]!));
  streamed.splice(20, 0, again(streamed[17]!, streamed[19]!));
  const bad = { ...(JSON.parse(streamed[30]!.value) as Row), order_id: 'O-bad', items: 0, amount: '1.234' };
  streamed.splice(31, 0, { ...recordOf(customerOf(bad), bad, 0), timestamp: streamed[30]!.timestamp });
  last.push(again(streamed[40]!, last.at(-1)!));

  const laterMs = AT_MS + 10 * MINUTE_MS;
  const fresh = CUSTOMERS.map((customer, index) => {
    const atMs = laterMs + index * 1_000;
    return recordOf(customer, { ...order(random, 3_000 + index, atMs), customer }, atMs);
  });
  // Both within the horizon of 24 h: what was claimed before the restore is known after it.
  const resent = [last[3]!, streamed[3]!].map((record) => again(record, fresh.at(-1)!));
  return { topic: 'orders', history, batches: [beforeCut, catchingUp, streamed, last], later: [...fresh, ...resent] };
}

const SITES = ['news.example', 'Shop.example', 'docs.example', 'blog.example'];
const BROWSERS = [null, 'firefox', 'chromium', 'safari', 'lynx'];

function visit(random: () => number, id: number, atMs: number): Row {
  return {
    visit_id: id,
    at: iso(atMs),
    site: pick(random, SITES),
    section: 1 + Math.floor(random() * 3),
    seconds: random() * 600,
    bytes: random() < 0.2 ? null : Math.floor(random() * 2 ** 40),
    browser: pick(random, BROWSERS),
    bounced: random() < 0.4,
  };
}

const siteOf = (row: Row): string => String(row['site']).toLowerCase();

/** Visits: files until six hours after `until`, a topic from three hours before it: the overlap is in both. */
export function visitEvents(): SourceEvents {
  const random = randomOf(2);
  const times = [
    ...timesBetween(random, AT_MS - 20 * DAY_MS, UNTIL_MS - 6 * HOUR_MS, 200),
    ...timesBetween(random, UNTIL_MS - 6 * HOUR_MS, UNTIL_MS + 6 * HOUR_MS, 30),
    ...timesBetween(random, UNTIL_MS + 6 * HOUR_MS, AT_MS - 5 * MINUTE_MS, 120),
  ];
  const all = times.map((atMs, index) => ({ atMs, row: visit(random, 500 + index, atMs) }));
  const tiedMs = UNTIL_MS + 12 * HOUR_MS;
  const tied = [99, 100].map((id) => ({
    atMs: tiedMs,
    row: { ...visit(random, id, tiedMs), site: TIES_SITE, section: 1, browser: `browser of ${id}` },
  }));
  const history = all.filter(({ atMs }) => atMs < UNTIL_MS + 6 * HOUR_MS).map(({ row }) => row);
  const sent = [...all.filter(({ atMs }) => atMs >= UNTIL_MS - 3 * HOUR_MS), ...tied].toSorted(
    (a, b) => a.atMs - b.atMs,
  );
  const records = sent.map(({ row, atMs }) => recordOf(siteOf(row), row, atMs));
  const [beforeCut, refreshed, unread] = cut(records, [90, 25]) as [TopicRecord[], TopicRecord[], TopicRecord[]];
  beforeCut.splice(71, 0, again(beforeCut[70]!, beforeCut[70]!));
  refreshed.splice(11, 0, again(refreshed[10]!, refreshed[10]!));
  const laterMs = AT_MS + 10 * MINUTE_MS;
  const later = SITES.map((site, index) => {
    const atMs = laterMs + index * 1_000;
    const row = { ...visit(random, 3_000 + index, atMs), site, section: 1 };
    return recordOf(siteOf(row), row, atMs);
  });
  later.push(again(unread.at(-1)!, later.at(-1)!));
  return { topic: 'visits', history, batches: [beforeCut, refreshed, unread], later };
}

const VEHICLES = [7, 12, 40, 41, 311];
const CITIES = ['Bern', 'Genève', 'Zürich', 'Lugano'];

function ride(random: () => number, atMs: number): Row {
  return {
    ended_at: iso(atMs),
    vehicle: pick(random, VEHICLES),
    fare: (Math.floor(random() * 9_000) / 100).toFixed(2),
    distance: random() * 42,
    rating: random() < 0.3 ? null : 1 + Math.floor(random() * 5),
    city: pick(random, CITIES),
  };
}

const vehicleOf = (row: Row): string => String(row['vehicle']);

/** Rides: a topic alone, without ids. Every tenth ends at the instant of the one before it, of the same vehicle. */
export function rideEvents(): SourceEvents {
  const random = randomOf(3);
  const times = timesBetween(random, AT_MS - 3 * DAY_MS, AT_MS - 10 * MINUTE_MS, 200);
  const records: TopicRecord[] = [];
  let before: { readonly row: Row; readonly atMs: number } | null = null;
  for (const [index, time] of times.entries()) {
    const tied: { readonly row: Row; readonly atMs: number } | null = index % 10 === 9 ? before : null;
    const atMs: number = tied?.atMs ?? time;
    const made: Row = ride(random, atMs);
    const row: Row = tied === null ? made : { ...made, vehicle: tied.row['vehicle'] ?? null };
    records.push(recordOf(vehicleOf(row), row, atMs));
    before = { row, atMs };
  }
  const batches = cut(records, [100, 40, 40]);
  const laterMs = AT_MS + 10 * MINUTE_MS;
  const later = VEHICLES.map((vehicle, index) => {
    const atMs = laterMs + index * 1_000;
    return recordOf(String(vehicle), { ...ride(random, atMs), vehicle }, atMs);
  });
  return { topic: 'rides', history: [], batches, later };
}

/** The entities whose values are kept: some of each view, and one that was never seen. */
export const READ_ENTITIES: Readonly<Record<string, readonly Row[]>> = {
  customer_orders: [...CUSTOMERS.slice(0, 5), NEVER_SEEN].map((customer) => ({ customer })),
  page_visits: [
    ...SITES.map((site) => ({ site: site.toLowerCase(), section: 1 })),
    { site: TIES_SITE, section: 1 },
    { site: NEVER_SEEN, section: 1 },
  ],
  vehicle_rides: [...VEHICLES, 404].map((vehicle) => ({ vehicle })),
};

/** `at` of the reads after the records of `later` were applied. */
export const LATER_AT = '2026-11-28T09:00:00Z';
