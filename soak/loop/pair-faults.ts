import { setTimeout as delay } from 'node:timers/promises';
import { internalBug } from '../../engine/errors/millrace-error.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import type { RunPairsOptions } from '../../engine/pairs/pairs-options.ts';
import { pairsStatus } from '../../engine/pairs/pairs-status.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { taken } from '../features/offers.ts';
import type { Random } from '../random.ts';
import type { JudgedFault } from '../soak-figures.ts';
import type { World } from '../soak-world.ts';
import { checkPairs, PAIRS_TOPIC } from './check-pairs.ts';
import { pairKey } from './naive-loop.ts';
import { pauseJoiner } from './pairs-settled.ts';
import type { Said } from './said.ts';

const PAIRS = 20;
const POLL_MS = 50;

/** What the joiner dies of before it sends. */
class Died extends Error {}

/** Plants two faults between joining and sending: a pair that is lost, one that is changed. Each has to be named, and nothing else. */
export async function plantPairFaults(
  world: World,
  {
    say,
    said,
    random,
    signal,
  }: {
    /** Says so many decisions, each with one outcome, and resolves when they are acknowledged. */
    readonly say: (count: number) => Promise<Said>;
    /** All that was said, that included. */
    readonly said: () => Said;
    readonly random: Random;
    readonly signal: AbortSignal;
  },
): Promise<readonly JudgedFault[]> {
  const { pool, services, definitions, temporal, reader } = world;
  const rule = definitions.labelSets.get(taken.name)!;
  await pauseJoiner(temporal, signal);
  const before = await pairsStatus(pool, taken.name, PAIRS_TOPIC);
  const { brokers } = services;
  const pairsReader = createKafkaLogReader({ brokers, clientId: 'millrace-soak' });
  const writer = createKafkaLogWriter({ brokers, clientId: 'millrace-soak' });
  const join = async (failAt?: RunPairsOptions['failAt']): Promise<void> => {
    await runPairs({
      rule,
      topic: PAIRS_TOPIC,
      pool,
      reader,
      pairsReader,
      writer,
      clock: systemClock,
      until: 'present-end',
      fence: { generation: before.generation, attemptMs: Date.now(), owner: 'soak' },
      signal,
      failAt,
    });
  };
  try {
    await say(PAIRS);
    const allJoined = async (): Promise<boolean> =>
      (await pairsStatus(pool, taken.name, PAIRS_TOPIC)).figures.pairs >= before.figures.pairs + PAIRS;
    await join(async (point) => {
      if (point !== 'before-send') return;
      while (!(await allJoined())) await delay(POLL_MS, undefined, { signal });
      throw new Died('before it sent');
    }).catch((error: unknown) => {
      if (!(error instanceof Died)) throw error;
    });
    const [lost, changed] = await tamper(world, random);
    await join();
    const verdict = await checkPairs(reader, said(), signal);
    const found = { lost: verdict.lost, changed: verdict.changed, stray: verdict.stray };
    const judged = (fault: string, cause: string, isNamed: boolean): JudgedFault => ({
      fault,
      view: `pairs of ${taken.name}`,
      cause,
      isNamed,
      reasons: isNamed ? [] : [`${JSON.stringify(found)}, and it was ${JSON.stringify({ lost, changed })}`],
    });
    const isAlone = verdict.stray.length === 0 && verdict.lostSaid.length === 0;
    return [
      judged('a lost pair', 'lost-pair', isAlone && isOnly(verdict.lost, lost)),
      judged('a changed pair', 'changed-pair', isAlone && isOnly(verdict.changed, changed)),
    ];
  } finally {
    await writer.close();
    await pairsReader.close();
  }
}

function isOnly(found: readonly string[], key: string): boolean {
  return found.length === 1 && found[0] === key;
}

/** Takes one pair out of the outbox and changes a digit in another, behind the engine's back. Gives which. */
async function tamper({ pool }: World, random: Random): Promise<readonly [lost: string, changed: string]> {
  const { rows } = await pool.query<{ seq: string; value: Buffer }>(
    'SELECT seq, value FROM millrace_catalog.outbox WHERE topic = $1 ORDER BY seq',
    [PAIRS_TOPIC],
  );
  if (rows.length !== PAIRS) throw internalBug(`${rows.length} pairs wait to be sent, expected ${PAIRS}`);
  const at = random.int(0, PAIRS);
  const [lost, changed] = [rows[at]!, rows[(at + random.int(1, PAIRS)) % PAIRS]!];
  await pool.query('DELETE FROM millrace_catalog.outbox WHERE topic = $1 AND seq = $2', [PAIRS_TOPIC, lost.seq]);
  await pool.query('UPDATE millrace_catalog.outbox_topic SET rows = rows - 1 WHERE topic = $1', [PAIRS_TOPIC]);
  const text = changed.value.toString();
  // The same length: what is counted stays right.
  const other = text.replace(/("value":)([1-9])/, (_, name: string, digit: string) => name + ((Number(digit) % 9) + 1));
  if (other === text) throw internalBug(`a pair without a value to change: ${text}`);
  await pool.query('UPDATE millrace_catalog.outbox SET value = $3 WHERE topic = $1 AND seq = $2', [
    PAIRS_TOPIC,
    changed.seq,
    Buffer.from(other),
  ]);
  return [keyIn(lost.value.toString()), keyIn(text)];
}

function keyIn(text: string): string {
  const { decision, outcome } = JSON.parse(text) as {
    readonly decision: { readonly decision_id: string };
    readonly outcome: { readonly outcome_id: string };
  };
  return pairKey(decision.decision_id, outcome.outcome_id);
}
