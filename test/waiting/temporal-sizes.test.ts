import { describe, expect, test } from 'vitest';
import type { ArchivedPartition, ArchiveTended } from '../../workflows/archive-source/contract.ts';
import { renderArchivePage } from '../../workflows/archive-source/page.ts';
import {
  archiveStatusOf,
  archiveTransition,
  type ArchiveEvent,
  carriedArchiveState,
  initialArchiveState,
} from '../../workflows/archive-source/state.ts';
import { worstPartitions } from '../../workflows/archive-source/worst-partitions.ts';
import { boundedPage } from '../../workflows/bounded.ts';
import { failureOf } from '../../workflows/failure.ts';
import { renderLifecyclePage } from '../../workflows/feature-lifecycle/page.ts';
import type { LifecycleState } from '../../workflows/feature-lifecycle/state.ts';
import { statusOf } from '../../workflows/feature-lifecycle/status.ts';
import { streamLane } from '../../workflows/feature-lifecycle/side-version.ts';
import { after, built, send, slice, streamStarted } from '../lifecycle/lifecycle-events.ts';

/** Temporal warns of payloads beyond this, and refuses them at 2 MB. */
const WARNS_AT = 256 * 1024;
const PAGE_MOST = 40_200;
const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A partition after years: far offsets, as many ranges and holes as one is told of. */
function partition(number: number): ArchivedPartition {
  const far = (n: number): number => 1_000_000_000_000 + number * 1_000_000 + n * 1_000;
  const spans = Array.from({ length: 20 }, (_, n) => ({ from: far(n), until: far(n) + 500 }));
  return {
    partition: number,
    ranges: spans,
    rows: 10_000_000,
    files: 20,
    holes: number % 3 === 0 ? spans.map((span) => ({ ...span, reason: 'retention' })) : [],
    lag: number % 100,
  };
}

const everyPartition: ArchiveTended = {
  partitions: Array.from({ length: 1_000 }, (_, number) => partition(number)),
  mergedFiles: 1,
  rolledCommits: 2,
};

describe('an archive of 1,000 partitions', () => {
  const resolved: ArchiveEvent = { type: 'resolved', plan: { source: 's', topic: 't', generation: 1 } };

  test('whose worker tells of all of them carries, answers and shows the twenty worst, and sums', () => {
    expect(sizeOf(everyPartition)).toBeGreaterThan(1_000_000);
    const state = [resolved, { type: 'tended', tended: everyPartition } as const].reduce(
      archiveTransition,
      initialArchiveState('s'),
    );
    const old = { ...state, tended: everyPartition };
    for (const each of [state, carriedArchiveState(old)]) {
      expect(sizeOf(each)).toBeLessThan(WARNS_AT);
      expect(sizeOf(archiveStatusOf(each))).toBeLessThan(WARNS_AT);
      const page = renderArchivePage(each);
      expect(page.length).toBeLessThan(PAGE_MOST);
      expect(page).toContain(
        '10,000,000,000 rows of 1,000 partitions; 990 are behind, by 49,500 records; 6,680 holes of 3,340,000 offsets.',
      );
      expect(archiveStatusOf(each).partitions).toHaveLength(20);
    }
  });

  test('the worst are those furthest behind, then those that have lost most, in order of partition', () => {
    const worst = worstPartitions(everyPartition.partitions);
    expect(worst.map(({ lag }) => lag)).toEqual(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 98 : 99)));
    expect(worst.map((each) => each.partition)).toEqual(worst.map((each) => each.partition).toSorted((a, b) => a - b));
    const calm = everyPartition.partitions.map((each) => ({ ...each, lag: 0 }));
    expect(worstPartitions(calm).map((each) => each.partition)).toEqual(
      Array.from({ length: 20 }, (_, index) => index * 3),
    );
    expect(worstPartitions(calm.slice(0, 20))).toEqual(calm.slice(0, 20));
  });
});

describe('a lifecycle of 1,000 shards and 1,600 features', () => {
  const features = Array.from({ length: 1_600 }, (_, n) => `${'feature'.repeat(8)}_${String(n).padStart(6, '0')}`);
  const shards = 1_000;
  const failure = failureOf(new Error('x'.repeat(100_000)), 'stream', 1);

  function everythingAtOnce(): LifecycleState {
    const message = `Kafka at ${'broker.example.com:9092,'.repeat(1_000)} does not answer`;
    const waits = Array.from({ length: shards }, (_, shard) =>
      slice({ waiting: { code: 'service-unreachable', message, sinceMs: 1_800_000_000_000 + shard } }, shard),
    );
    const behind = Array.from({ length: shards }, (_, shard) => slice({ lag: 9_000_000_000_000 }, shard));
    const state = after([send('promote'), streamStarted, ...behind, ...waits], { ...built({ features }), shards });
    return { ...state, failures: { build: failure, stream: failure, proof: failure }, notice: failure.message };
  }

  test('that all wait carries, answers and shows what fits, and says what it waits for in full', () => {
    const state = everythingAtOnce();
    expect(Object.keys(state.waiting)).toHaveLength(shards);
    expect(sizeOf(state)).toBeLessThan(WARNS_AT);
    expect(sizeOf(statusOf(state))).toBeLessThan(WARNS_AT / 8);
    const page = renderLifecyclePage(state);
    expect(page.length).toBeLessThan(PAGE_MOST);
    expect(page).toMatch(/Features: \*\*(feature){8}_000000, .*, and 1550 more\*\*/);
    expect(statusOf(state).waitingFor).toEqual(state.waiting[streamLane(1, 0)]);
    expect(statusOf(state).waitingFor!.message.length).toBeGreaterThan(1_900);
  });
});

test('a page of more is cut, and says so', () => {
  const page = boundedPage(`### begins\n${'| row |\n'.repeat(100_000)}ends`);
  expect(page.length).toBeLessThan(PAGE_MOST);
  expect(page).toMatch(/^### begins/);
  expect(page).toMatch(/ends$/);
  expect(page).toMatch(/\[\d+ characters left out\]/);
});
