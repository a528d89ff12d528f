/** Services that decide by a rollout, as applications do: by its row alone, over a real topic. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { placeOfUnit, variantAt } from '../../engine/evidence/assignment.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import type { Rollout } from '../../engine/postgres/rollouts.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { decisions, labelSet, outcomes } from '../../index.ts';
import type { StackAddresses } from '../global-setup.ts';
import { openKafka } from '../kafka/kafka-fixture.ts';
import type { ModelWorld } from '../models/model-world.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';

/** How a version decides of a flight that is late with a chance of 0.7 or 0.2. */
export interface Policy {
  readonly score: (late: boolean, random: SeededRandom) => number;
  readonly error?: string | null;
}

export interface Fleet {
  readonly deps: ActivityDeps;
  /** Decides on so many units, each once, with what came of it. `loses`: whose decisions never arrive. */
  decide(
    rollout: Rollout,
    policies: Readonly<Record<string, Policy>>,
    units: number,
    loses?: (variant: string, random: SeededRandom) => boolean,
  ): Promise<void>;
  close(): Promise<void>;
}

const AGO_MS = 60_000;

/** Topics of its own, and the definitions `choices` and `late` on them; labels are mature after a second. */
export async function openFleet(
  stack: StackAddresses,
  world: Pick<ModelWorld, 'pool' | 'archiveDir'>,
  name: string,
): Promise<Fleet> {
  const topics = { decisions: `decisions-${name}`, outcomes: `outcomes-${name}`, models: `models-${name}` };
  const kafka = await openKafka(stack.kafkaBrokers);
  for (const topic of Object.values(topics)) await kafka.createTopic(topic, topic === topics.models ? 1 : 2);
  const choices = decisions('choices', { context: z.object({ origin: z.string() }), topic: topics.decisions });
  const came = outcomes('came', { value: z.boolean(), topic: topics.outcomes });
  const late = labelSet('late', {
    decisions: choices,
    outcomes: came,
    value: (_, o) => (o.value ? 1 : 0),
    matureAfter: '1s',
    absent: 'leave-out',
  });
  const definitions = await compileDefinitions(definitionsInMemory([late], '/srv/models'));
  const spillDir = mkdtempSync(join(tmpdir(), 'millrace-rollout-'));
  const reader = createKafkaLogReader({ brokers: stack.kafkaBrokers, clientId: 'fleet', clock: systemClock });
  const writer = createKafkaLogWriter({ brokers: stack.kafkaBrokers, clientId: 'fleet' });
  const random = seededRandom(11);
  let said = 0;
  return {
    deps: {
      definitions,
      code: { viewOf: () => Promise.reject(new Error('no view is asked for')) },
      pool: world.pool,
      reader,
      topicReader: reader,
      archiveDir: world.archiveDir,
      servedTopic: 'served',
      clock: systemClock,
      spillDir,
      roots: null,
      memory: processMemory(),
      // It was made above.
      models: { writer, topic: topics.models, ensureTopic: () => Promise.resolve() },
      identity: 'test',
    },
    async decide(rollout, policies, units, loses = () => false) {
      const decided: { key: Buffer; value: Buffer; timestampMs: number }[] = [];
      const heard: typeof decided = [];
      const nowMs = Date.now();
      for (let index = 0; index < units; index++) {
        const unit = randomUUID();
        const atMs = nowMs - AGO_MS + said++;
        const isLikely = random.uniform() < 0.5;
        const isLate = random.uniform() < (isLikely ? 0.7 : 0.2);
        const place = placeOfUnit(rollout.salt, unit);
        const mine = rollout.shadow ? 'against' : variantAt(place, rollout.variants);
        const id = randomUUID();
        const record = (variant: string, decision: string, shadowOf: string | null): void => {
          const { score, error = null } = policies[variant]!;
          const row = {
            decision_id: decision,
            decided_at: new Date(atMs).toISOString(),
            request_ids: [],
            reads: [],
            model: rollout.model,
            model_version: rollout.variants.find((one) => one.variant === variant)!.version,
            rollout: rollout.id,
            revision: rollout.revision,
            stage: rollout.stage,
            variant,
            unit,
            assignment_propensity:
              shadowOf === null ? rollout.variants.find((one) => one.variant === variant)!.share : 1,
            acted: shadowOf === null,
            shadow_of: shadowOf,
            action: 'go',
            score: score(isLikely, random),
            alternatives: [],
            more_alternatives: 0,
            latency_ms: 5,
            error,
            context: { origin: index % 3 === 0 ? 'LAS' : 'PHL' },
          };
          if (loses(variant, random)) return;
          decided.push({ key: Buffer.from(decision), value: Buffer.from(JSON.stringify(row)), timestampMs: nowMs });
        };
        record(mine, id, null);
        if (rollout.shadow) record('candidate', randomUUID(), id);
        const outcome = {
          outcome_id: `o-${id}`,
          decision_id: id,
          name: 'came',
          occurred_at: new Date(atMs + 100).toISOString(),
          known_at: new Date(atMs + 200).toISOString(),
          value: isLate,
        };
        heard.push({ key: Buffer.from(id), value: Buffer.from(JSON.stringify(outcome)), timestampMs: nowMs });
      }
      await writer.send(topics.outcomes, heard);
      await writer.send(topics.decisions, decided);
    },
    async close() {
      await writer.close();
      await reader.close();
      await kafka.close();
      rmSync(spillDir, { recursive: true, force: true });
    },
  };
}

/** Knows what is likely. */
export const GOOD: Policy = { score: (isLikely) => (isLikely ? 0.7 : 0.2) };
/** Gives the base rate. */
export const FLAT: Policy = { score: () => 0.45 };
