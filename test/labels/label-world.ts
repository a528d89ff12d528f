import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledLabelSet } from '../../engine/define/compiled-label-set.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import type { LabelledDecision, LabelScan, LabelScanOptions } from '../../engine/labels/label-scan.ts';
import { openLabelScan } from '../../engine/labels/scan-labels.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { decisions, labelSet, outcomes } from '../../index.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';

/** 2026-01-01, UTC. */
export const T0_US = 1_767_225_600_000_000;
export const MATURE_US = 10_000;

export const choices = decisions('choices', {
  context: z.object({ flight: z.string().nullable() }),
  topic: 'millrace.decisions',
});
export const clicks = outcomes('clicks', {
  value: z.number().nullable(),
  entity: z.object({ flight: z.string() }),
  topic: 'millrace.outcomes',
});

export const spillDir = mkdtempSync(join(tmpdir(), 'millrace-labels-'));
afterAll(() => rmSync(spillDir, { recursive: true, force: true }));

/** How the label set of a test differs from `last`, by decision, absent `leave-out`. */
export interface LabelRuleOptions {
  readonly reduce?: 'first' | 'last' | 'sum';
  readonly absent?: 0 | null | 'leave-out';
  readonly byFlight?: boolean;
}

/** A label set `late` of `choices` and `clicks`, mature after 10 ms. Any share of the outcomes may be invalid. */
export async function lateLabels(options: LabelRuleOptions = {}): Promise<CompiledLabelSet> {
  const { reduce = 'last', absent = 'leave-out', byFlight = false } = options;
  const rule = { decisions: choices, outcomes: clicks, reduce, absent, matureAfter: '10ms' } as const;
  const late = byFlight
    ? labelSet('late', {
        ...rule,
        on: { decision: (d) => d.context.flight, outcome: (o) => o.entity?.flight ?? null },
        value: (_, o) => o.value,
      })
    : labelSet('late', { ...rule, value: (_, o) => o.value });
  const { labelSets } = await compileDefinitions(definitionsInMemory([late], '/srv/models'));
  const labels = labelSets.get('late')!;
  const invalidLimit = { rate: 1, window: 1000 };
  return { ...labels, outcomes: { ...labels.outcomes, invalidLimit } };
}

/** A decision, as a test says it; times in µs after T0. */
export interface SaidDecision {
  readonly id: string;
  readonly atUs: number;
  readonly flight?: string | null;
  readonly shadowOf?: string | null;
  readonly action?: string;
}

export function decisionJson({ id, atUs, flight = null, shadowOf = null, action = 'go' }: SaidDecision): object {
  return {
    decision_id: id,
    decided_at: formatDateTime(T0_US + atUs),
    request_ids: [],
    reads: [],
    acted: shadowOf === null,
    shadow_of: shadowOf,
    action,
    alternatives: [],
    more_alternatives: 0,
    context: { flight },
  };
}

/** An outcome, as a test says it; times in µs after T0. */
export interface SaidOutcome {
  readonly id: string;
  readonly decision?: string | null;
  readonly flight?: string | null;
  readonly atUs: number;
  readonly knownUs?: number | null;
  readonly value: number | null;
}

export function outcomeJson({ id, decision = null, flight = null, atUs, knownUs = null, value }: SaidOutcome): object {
  return {
    outcome_id: id,
    decision_id: decision,
    entity: flight === null ? null : { flight },
    name: 'click',
    occurred_at: formatDateTime(T0_US + atUs),
    known_at: knownUs === null ? null : formatDateTime(T0_US + knownUs),
    value,
  };
}

/** A record on its way to a topic: arriving so many µs after T0. */
export interface Sent {
  readonly partition: number;
  readonly arrivedUs: number;
  readonly json: object | string;
}

/** A broker with the records of both topics, two partitions each. */
export function brokerWith(decided: readonly Sent[], heard: readonly Sent[]): MemoryBroker {
  const broker = new MemoryBroker();
  for (const [source, sent] of [[choices, decided] as const, [clicks, heard] as const]) {
    const topic = source.options.topic!;
    broker.createTopic(topic, 2);
    for (const { partition, arrivedUs, json } of sent) {
      const value = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
      broker.append(topic, partition, [{ value, timestampUs: T0_US + arrivedUs }]);
    }
  }
  return broker;
}

/** What a scan came to. */
export interface Scanned {
  readonly scan: LabelScan;
  readonly rows: readonly LabelledDecision[];
}

/** Scans the labels of a broker's decisions; by default all, as of long after. */
export async function scanned(
  labels: CompiledLabelSet,
  broker: MemoryBroker,
  options: Partial<LabelScanOptions> & { readonly nowUs?: number } = {},
): Promise<Scanned> {
  const { nowUs = 3_600_000_000, ...more } = options;
  const scan = await openLabelScan({
    labels,
    reader: createMemoryLogReader(broker, () => 3),
    clock: { nowUs: () => T0_US + nowUs, monotonicMs: () => 0 },
    spillDir,
    fromUs: 0,
    untilUs: Number.MAX_SAFE_INTEGER,
    ...more,
  });
  const rows: LabelledDecision[] = [];
  for await (const batch of scan) rows.push(...batch);
  return { scan, rows };
}

/** `d1=1` per decision that has a label, `d2:left-out` per one that is left out, in their order. */
export function brief(rows: readonly LabelledDecision[]): string[] {
  return rows.map(({ id, label }) => (label.kind === 'label' ? `${id}=${label.value}` : `${id}:${label.kind}`));
}
