import type pg from 'pg';
import { z } from 'zod';
import { compileSource } from '../../engine/define/compile-source.ts';
import type { CompiledSource, Row } from '../../engine/define/compiled-view.ts';
import { source } from '../../engine/define/source.ts';
import type { PairRule, PairsResult, RunPairsOptions, Side } from '../../engine/pairs/pairs-options.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LoggedEvent, LoggedPartition } from '../oracle/pairs-oracle.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { createMemoryLogWriter } from './memory-writer.ts';

export const HORIZON_US = 10_000_000;
export const PAIR_PARTITIONS = 2;
export const START_US = 1_700_000_000_000_000;

function logOf(name: string, topic: string, dedupeHorizon: '5s' | '20s'): CompiledSource {
  const declared = source(name, {
    schema: z.object({ id: z.string(), at: z.iso.datetime(), key: z.string().nullable() }),
    eventTime: 'at',
    eventId: 'id',
    topic,
    dedupeHorizon,
    invalidLimit: { rate: 1, window: 1000 },
  });
  const compiled = compileSource(declared, '/', (code, path, message) => {
    throw new Error(`${code} at ${path}: ${message}`);
  });
  return compiled.source;
}

/** A label set over two small logs, joined by `key`; a key of "boom" makes the function fail. */
export function pairRule(name: string, dedupeHorizon: '5s' | '20s' = '5s'): PairRule {
  const keyOf = (row: Row, reasons: string[]): string | null => {
    if (row['key'] === 'boom') reasons.push('on: the function threw Error: boom');
    return row['key'] as string | null;
  };
  return {
    name,
    tag: 'tag-1',
    decisions: logOf('made', `${name}.made`, dedupeHorizon),
    outcomes: logOf('came', `${name}.came`, dedupeHorizon),
    isByDecision: false,
    decisionKey: keyOf,
    outcomeKey: keyOf,
    horizonUs: HORIZON_US,
  };
}

export function recordOf(event: LoggedEvent | null): { key: Buffer; value: Buffer; timestampUs: number } {
  if (event === null) return { key: Buffer.from('x'), value: Buffer.from('{broken'), timestampUs: START_US };
  const { id, timeUs, key } = event;
  const at = `${new Date(Math.floor(timeUs / 1000)).toISOString().slice(0, -1)}${String(timeUs % 1000).padStart(3, '0')}Z`;
  return { key: Buffer.from(id), value: Buffer.from(JSON.stringify({ id, at, key })), timestampUs: timeUs };
}

/** A broker in memory with the logs of a label set. */
export interface PairsWorld {
  readonly broker: MemoryBroker;
  readonly rule: PairRule;
  readonly topic: string;
  append(side: Side, partition: number, events: LoggedPartition): void;
  /** Joins until the present end. */
  run(attemptMs: number, more?: Partial<RunPairsOptions>): Promise<PairsResult>;
  /** Pairs on the topic, as texts in order, with their ids. */
  pairs(): { readonly text: string; readonly id: string }[];
}

export function openPairsWorld(
  pool: pg.Pool,
  rule: PairRule,
  partitions: Readonly<Record<Side, number>>,
  batchSize: () => number = () => 50,
): PairsWorld {
  const broker = new MemoryBroker();
  const topic = `${rule.name}.pairs`;
  broker.createTopic(rule.decisions.topic!, partitions.decisions);
  broker.createTopic(rule.outcomes.topic!, partitions.outcomes);
  broker.createTopic(topic, PAIR_PARTITIONS);
  const reader: LogReader = createMemoryLogReader(broker, batchSize);
  return {
    broker,
    rule,
    topic,
    append: (side, partition, events) => broker.append(rule[side].topic!, partition, events.map(recordOf)),
    run: (attemptMs, more = {}) =>
      runPairs({
        rule,
        topic,
        pool,
        reader,
        pairsReader: reader,
        writer: createMemoryLogWriter(broker, PAIR_PARTITIONS),
        until: 'present-end',
        clock: systemClock,
        fence: { generation: 1, attemptMs, owner: `joiner-${attemptMs}` },
        ...more,
      }),
    pairs: () => shownPairs(broker, topic),
  };
}

function shownPairs(broker: MemoryBroker, topic: string): { text: string; id: string }[] {
  return broker
    .bounds(topic)
    .partitions.flatMap(({ partition, endOffset }) => broker.slice(topic, partition, 0, endOffset).records)
    .map(({ value }) => {
      const {
        pair_id: id,
        paired_at,
        decision,
        outcome,
      } = JSON.parse(Buffer.from(value!).toString()) as {
        pair_id: string;
        paired_at: string;
        decision: { id: string; at: string };
        outcome: { id: string; at: string };
      };
      const times = [decision.at, outcome.at].map(microsOf);
      if (microsOf(paired_at) !== Math.max(...times)) throw new Error(`paired at ${paired_at}`);
      return { text: `${decision.id}@${times[0]} ${outcome.id}@${times[1]}`, id };
    })
    .toSorted((a, b) => (a.text < b.text ? -1 : 1));
}

function microsOf(text: string): number {
  return Date.parse(`${text.slice(0, 23)}Z`) * 1000 + Number(text.slice(23, 26));
}
