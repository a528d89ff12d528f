/**
 * The soak's application: a process of its own that reads features, decides by them and says what came of it, until told to stop; then it says what is
 * still to come. Its argument is an `ApplicationConfig` as JSON.
 */
import '../../cli/quiet-kafkajs.ts';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { createClient } from '../../engine/online/client.ts';
import { shopModel } from '../features/shops.ts';
import { anyShop } from '../payment-entities.ts';
import { seededRandom } from '../random.ts';
import type { ApplicationConfig, ApplicationReport } from './application-process.ts';
import { LoopTeller, StandingClock } from './loop-teller.ts';
import type { SaidResponse, SaidSuggestion } from './said.ts';
import { type PlannedResponse, SuggestionMaker } from './suggestion-maker.ts';

const TICK_MS = 20;
/** What waits while the broker is away: more than is said in the longest outage. */
const MOST_BUFFERED = 500_000;
/** After a refused read the next decisions are made without one. */
const UNREAD_MS = 200;

const config = JSON.parse(process.argv[2] ?? '') as ApplicationConfig;
const random = seededRandom(config.seed).fork('application');
const maker = new SuggestionMaker(random.fork('suggestions'), 'a');
const clock = new StandingClock();
const client = createClient({
  databaseUrl: config.databaseUrl,
  decisions: {
    kafka: { brokers: config.brokers },
    clock,
    maxBuffered: MOST_BUFFERED,
    maxBufferedBytes: 1024 ** 3,
    retryForMs: 300_000,
    closeForMs: 60_000,
    flushMs: 50,
  },
});
const teller = new LoopTeller(client, clock);
const journal = createWriteStream(config.journalPath);
const stopping = new AbortController();
let [decisions, outcomes, unread, refusedUntilMs] = [0, 0, 0, 0];
let toCome: PlannedResponse[] = [];

function note(said: SaidSuggestion | SaidResponse): void {
  if (said.says === 'decision') decisions++;
  else outcomes++;
  journal.write(`${JSON.stringify(said)}\n`);
}

function report(done = false): void {
  const { sources } = client.decided();
  const sum = (pick: (of: (typeof sources)[string]) => number): number =>
    Object.values(sources).reduce((total, of) => total + pick(of), 0);
  const message: ApplicationReport = {
    decisions,
    outcomes,
    unread,
    sent: sum(({ sent }) => sent),
    dropped: sum(({ dropped }) => Object.values(dropped).reduce((total, count) => total + count, 0)),
    done,
  };
  if (process.connected) process.send?.(message);
}

type Reads = Parameters<LoopTeller['decide']>[1];

async function readOf(shop: string): Promise<Reads> {
  if (performance.now() < refusedUntilMs) return { error: null };
  try {
    const read = await client.getService(shopModel, { shop, rival: anyShop(random) });
    return { service: shopModel.name, given: [read] };
  } catch (error) {
    // Not published yet, or away: it decides by what it has.
    if (!isMillraceError(error)) throw error;
    unread++;
    refusedUntilMs = performance.now() + UNREAD_MS;
    return { error: error.code };
  }
}

async function decideOne(): Promise<void> {
  const reads = await readOf(anyShop(random));
  const { decision, shadow, responses } = maker.next(Date.now() * 1_000);
  // Those that are due before their decision is said.
  const early = responses.filter(({ dueUs }) => dueUs === 0);
  for (const response of early) note(teller.outcome(response));
  note(teller.decide(decision, reads));
  if (shadow !== null) note(teller.decide(shadow, reads));
  toCome.push(...responses.filter(({ dueUs }) => dueUs > 0));
}

function sayWhatIsDue(): void {
  const nowUs = Date.now() * 1_000;
  const due = toCome.filter(({ dueUs }) => dueUs <= nowUs).toSorted((a, b) => a.dueUs - b.dueUs);
  if (due.length === 0) return;
  toCome = toCome.filter(({ dueUs }) => dueUs > nowUs);
  for (const response of due) note(teller.outcome(response));
}

async function decideUntilStopped(): Promise<void> {
  const startedMs = performance.now();
  let made = 0;
  while (!stopping.signal.aborted) {
    sayWhatIsDue();
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * config.decisionsPerSecond);
    // What an outage has put off is not made up for.
    if (due - made > config.decisionsPerSecond) made = due - 1;
    if (made < due) {
      made++;
      await decideOne();
    } else await delay(TICK_MS);
  }
}

process.on('message', () => stopping.abort());
process.on('disconnect', () => process.exit(0));
report();
const reporting = setInterval(report, 500);
await decideUntilStopped();
while (toCome.length > 0) {
  sayWhatIsDue();
  await delay(TICK_MS);
}
await client.close();
journal.end();
await finished(journal);
clearInterval(reporting);
report(true);
process.disconnect();
