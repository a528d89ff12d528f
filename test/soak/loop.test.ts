import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDecisionLog } from '../../engine/decisions/create-decision-log.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { openLabelScan } from '../../engine/labels/scan-labels.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { checkPairs, PAIRS_TOPIC } from '../../soak/loop/check-pairs.ts';
import { LoopTeller, StandingClock } from '../../soak/loop/loop-teller.ts';
import { naiveLabels, naivePairs } from '../../soak/loop/naive-loop.ts';
import type { Said, SaidResponse, SaidSuggestion } from '../../soak/loop/said.ts';
import { SuggestionMaker } from '../../soak/loop/suggestion-maker.ts';
import { seededRandom } from '../../soak/random.ts';
import { createMemoryLogWriter } from '../pairs/memory-writer.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';

const PARTITIONS = 3;
const DECISIONS = 600;
const TICK_MS = 40;
const SERVICE = 'shop_model';
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);
const signal = new AbortController().signal;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
}, 300_000);
afterAll(() => database.close());

/** Says what the soak's application does, with its times, without waiting for them. */
async function told(broker: MemoryBroker): Promise<Said> {
  let nowMs = Date.UTC(2026, 0, 1);
  const clock = new StandingClock(() => nowMs);
  const log = createDecisionLog({ writer: createMemoryLogWriter(broker, PARTITIONS), clock, flushMs: 1 });
  const teller = new LoopTeller(log, clock);
  const maker = new SuggestionMaker(seededRandom(seed), 't');
  const [decisions, outcomes]: [SaidSuggestion[], SaidResponse[]] = [[], []];
  const said = { service: SERVICE, given: [] };
  let toCome: ReturnType<SuggestionMaker['next']>['responses'] = [];
  for (let n = 0; n < DECISIONS || toCome.length > 0; n++) {
    nowMs += TICK_MS;
    if (n < DECISIONS) {
      const { decision, shadow, responses } = maker.next(nowMs * 1_000);
      const early = responses.filter(({ dueUs }) => dueUs === 0);
      outcomes.push(...early.map((one) => teller.outcome(one)));
      decisions.push(teller.decide(decision, said));
      if (shadow !== null) decisions.push(teller.decide(shadow, said));
      toCome = [...toCome, ...responses.filter(({ dueUs }) => dueUs > 0)];
    }
    const due = toCome.filter(({ dueUs }) => dueUs <= nowMs * 1_000);
    outcomes.push(...due.map((one) => teller.outcome(one)));
    toCome = toCome.filter(({ dueUs }) => dueUs > nowMs * 1_000);
  }
  await log.close();
  return { decisions, outcomes };
}

test(`what the soak's application says is joined and labelled as its naive readings have it, and they see what is wrong (seed ${seed})`, async () => {
  const broker = new MemoryBroker();
  const { decisionsTopic, outcomesTopic } = installationNames();
  for (const topic of [decisionsTopic, outcomesTopic, PAIRS_TOPIC]) broker.createTopic(topic, PARTITIONS);
  const said = await told(broker);
  const { labelSets } = await loadDefinitions('soak/features');
  const labels = labelSets.get('taken')!;
  const reader = createMemoryLogReader(broker, () => 50);
  await runPairs({
    rule: labels,
    topic: PAIRS_TOPIC,
    pool: database.pool,
    reader,
    pairsReader: reader,
    writer: createMemoryLogWriter(broker, PARTITIONS),
    clock: systemClock,
    until: 'present-end',
    fence: { generation: 1, attemptMs: 1, owner: 'test' },
  });
  const expected = naivePairs(said);
  expect(expected.size).toBeGreaterThan(DECISIONS / 2);
  const none = { lostSaid: [], lost: [], changed: [], stray: [], twice: 0 };
  expect(await checkPairs(reader, said, signal)).toEqual({ ...none, pairs: expected.size });

  const [key, { decision, outcome }] = seededRandom(seed).pick([...expected]);
  const without = { ...said, outcomes: said.outcomes.filter(({ id }) => id !== outcome.id) };
  expect((await checkPairs(reader, without, signal)).stray).toContain(key);
  const others = said.outcomes.map((one) => (one.id === outcome.id ? { ...one, value: one.value + 1 } : one));
  expect((await checkPairs(reader, { ...said, outcomes: others }, signal)).changed).toContain(key);
  const more = { ...outcome, id: 'never-said', decision: decision.shadowOf ?? decision.id };
  expect(await checkPairs(reader, { ...said, outcomes: [...said.outcomes, more] }, signal)).toMatchObject({
    lostSaid: ['never-said'],
    lost: expect.arrayContaining([`${decision.id} never-said`]),
  });

  const scan = await openLabelScan({
    labels,
    reader,
    clock: systemClock,
    spillDir: join(tmpdir(), 'millrace-soak-labels'),
    fromUs: 0,
    untilUs: Number.MAX_SAFE_INTEGER,
    where: (row) => row['acted'] === true,
  });
  const found = new Map<string, unknown>();
  for await (const batch of scan)
    for (const { id, label } of batch) found.set(id, label.kind === 'label' ? label.value : label.kind);
  const wanted = naiveLabels(said, SERVICE, scan.asOfUs);
  expect(wanted.size).toBeGreaterThan(DECISIONS / 2);
  expect(new Set(wanted.values()).size).toBeGreaterThan(5);
  expect(new Map([...found].toSorted())).toEqual(new Map([...wanted].toSorted()));
}, 300_000);
