import { partitionStart } from '../log/partition-start.ts';
import { describe, expect, test } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { TopicPipeline } from '../../engine/topic/topic-pipeline.ts';
import { PaymentGenerator } from '../../soak/payment-generator.ts';
import { seededRandom } from '../../soak/random.ts';
import { planOf } from '../../soak/soak-plan.ts';
import { planRestarts } from '../../soak/restarts.ts';

const RECORDS = 20_000;
const START_MS = Date.parse('2026-05-01T12:00:00Z');

describe('the synthetic source', () => {
  test('the same seed makes the same records', () => {
    const of = (seed: number): string[] => {
      const generator = new PaymentGenerator(seededRandom(seed), 'p');
      return Array.from({ length: 500 }, (_, n) => JSON.stringify(generator.next(START_MS + n)));
    };
    expect(of(7)).toEqual(of(7));
    expect(of(7)).not.toEqual(of(8));
  });

  test('has ties, late, resent, invalid and out-of-order records in the shares it promises, by the verdict of the engine', async () => {
    const { sources } = await loadDefinitions('soak/features');
    const payments = sources.get('payments')!;
    const pipeline = new TopicPipeline(
      payments,
      0,
      new PartitionDedupe(payments.dedupeHorizonUs, null),
      partitionStart(),
    );
    const generator = new PaymentGenerator(seededRandom(1), 'p');
    const kinds: Record<string, number> = {};
    const times = new Map<number, number>();
    let late = 0;
    let backwards = 0;
    let lastUs = 0;
    for (let n = 0; n < RECORDS; n++) {
      const nowMs = START_MS + n * 5;
      const { value } = generator.next(nowMs);
      const outcome = pipeline.step({
        partition: 0,
        offset: n,
        timestampUs: nowMs * 1000,
        key: null,
        value: value === null ? null : Buffer.from(value),
      });
      kinds[outcome.kind] = (kinds[outcome.kind] ?? 0) + 1;
      if (outcome.kind !== 'event' && outcome.kind !== 'undeduped') continue;
      const { eventTimeUs } = outcome.event;
      times.set(eventTimeUs, (times.get(eventTimeUs) ?? 0) + 1);
      if (eventTimeUs <= (nowMs - 60_000) * 1000) late += 1;
      if (eventTimeUs < lastUs) backwards += 1;
      lastUs = eventTimeUs;
    }
    const share = (count = 0): number => count / RECORDS;
    expect(share(late)).toBeCloseTo(0.05, 1);
    expect(share(late)).toBeGreaterThan(0.04);
    expect(share(kinds['duplicate'])).toBeGreaterThan(0.012);
    expect(share(kinds['invalid'])).toBeGreaterThan(0.007);
    expect(share(kinds['invalid'])).toBeLessThan(0.013);
    expect(kinds['tombstone']).toBeGreaterThan(0);
    expect(share(backwards)).toBeGreaterThan(0.2);
    expect(Math.max(...times.values())).toBeGreaterThan(50);
  });
});

describe('the plan', () => {
  test('from five minutes on over a million cells are compared, and everything is restarted at any length', () => {
    for (const minutes of [5, 10, 60]) expect(planOf(minutes).cells).toBeGreaterThan(1_000_000);
    for (const minutes of [0.25, 1, 10]) {
      const plan = planOf(minutes);
      const kinds = planRestarts(plan, seededRandom(3)).map(({ kind }) => kind);
      expect(new Set(kinds)).toEqual(new Set(['worker', 'broker', 'database']));
    }
  });

  test('the same seed restarts the same things at the same times', () => {
    expect(planRestarts(planOf(10), seededRandom(3))).toEqual(planRestarts(planOf(10), seededRandom(3)));
  });
});
