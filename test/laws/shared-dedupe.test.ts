import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ClaimPool } from '../../engine/admission/claim-pool.ts';
import { HistoryIds, PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { lawRuns } from './law-seed.ts';

const HORIZON_US = 1_500;

interface LogRecord {
  readonly id: string;
  readonly timeUs: number;
}

/** What one view begins with. */
interface Start {
  readonly offset: number;
  /** Claims of its history; it ends at 0. */
  readonly history: readonly LogRecord[];
}

/** Section 5 word for word: the claim of an id is remembered for ever, and the later of watermark and event time decides. */
function oracle(log: readonly LogRecord[], { offset, history }: Start): string[] {
  const claims = new Map(history.map(({ id, timeUs }) => [id, timeUs]));
  let watermark = history.length === 0 ? Number.NEGATIVE_INFINITY : Math.max(...claims.values());
  return log.slice(offset).map(({ id, timeUs }) => {
    const before = watermark;
    watermark = Math.max(watermark, timeUs);
    const claim = claims.get(id);
    if (claim !== undefined && Math.max(before, timeUs) <= claim + HORIZON_US) return 'duplicate';
    if (timeUs < before - HORIZON_US) return 'undeduped';
    claims.set(id, timeUs);
    return 'new';
  });
}

interface Pools {
  readonly own: ClaimPool;
  readonly history: ClaimPool;
}

/** One view's stream: it judges ahead of what it has committed, and may lose what it has not. */
class View {
  readonly #log: readonly LogRecord[];
  readonly #pools: Pools;
  readonly #start: Start;
  readonly #expected: readonly string[];
  readonly #packs: Uint8Array[] = [];
  readonly #historyPacks: Uint8Array[];
  #committed: { offset: number; watermark: number | null };
  #history!: HistoryIds;
  #dedupe!: PartitionDedupe;
  #offset = 0;
  #watermark: number | null = null;

  constructor(log: readonly LogRecord[], pools: Pools, start: Start) {
    this.#log = log;
    this.#pools = pools;
    this.#start = start;
    this.#expected = oracle(log, start);
    const known = new PartitionDedupe(HORIZON_US, null);
    for (const { id, timeUs } of start.history) known.judge(id, timeUs, null);
    this.#historyPacks = start.history.length === 0 ? [] : [known.takeNew()!.ids];
    const watermark = start.history.length === 0 ? null : Math.max(...start.history.map(({ timeUs }) => timeUs));
    this.#committed = { offset: start.offset, watermark };
    this.#load();
  }

  #load(): void {
    this.#history = new HistoryIds(this.#historyPacks, this.#pools.history);
    this.#history.seal();
    this.#dedupe = new PartitionDedupe(HORIZON_US, this.#history, this.#pools.own);
    for (const pack of this.#packs) this.#dedupe.load(pack);
    this.#offset = this.#committed.offset;
    this.#watermark = this.#committed.watermark;
  }

  advance(records: number): void {
    for (const { id, timeUs } of this.#log.slice(this.#offset, this.#offset + records)) {
      const verdict = this.#dedupe.judge(id, timeUs, this.#watermark);
      const expected = this.#expected[this.#offset - this.#start.offset];
      if (verdict !== expected) throw new Error(`offset ${this.#offset}: expected ${expected}, received ${verdict}`);
      this.#watermark = Math.max(this.#watermark ?? timeUs, timeUs);
      this.#offset++;
    }
  }

  commit(): void {
    const fresh = this.#dedupe.takeNew();
    if (fresh !== null) this.#packs.push(fresh.ids);
    this.#committed = { offset: this.#offset, watermark: this.#watermark };
  }

  /** A transaction has failed: everything in memory goes, and is loaded anew. */
  fail(): void {
    this.release();
    this.#load();
  }

  expire(): void {
    if (this.#watermark !== null) this.#dedupe.expire(this.#watermark);
  }

  release(): void {
    this.#dedupe.release();
    this.#history.release();
  }
}

/** Mostly new ids in the order of time; else one sent again about a horizon later, or at once, at a time about the horizon's edge. */
const logs = fc
  .array(
    fc.record({
      kind: fc.constantFrom('new', 'new', 'new', 'edge', 'edge', 'again', 'late'),
      near: fc.integer({ min: -2, max: 2 }),
      jump: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constantFrom(40, 1_500) }),
    }),
    { minLength: 120, maxLength: 120 },
  )
  .map((kinds) => {
    const log: LogRecord[] = [];
    let timeUs = 0;
    // Each choice stands for a stretch of records: blocks are of hundreds.
    for (let number = 0; number < 6_000; number++) {
      const { kind, near, jump } = kinds[(number * 7) % kinds.length]!;
      timeUs += number % 50 === 0 ? jump : 1;
      const again = (back: number): string => log[Math.max(0, log.length - back)]?.id ?? 'first';
      if (kind === 'new') log.push({ id: `id-${number}`, timeUs });
      else if (kind === 'edge') log.push({ id: again(HORIZON_US + near), timeUs: timeUs + (number % 3) - 1 });
      else if (kind === 'again') log.push({ id: again(1 + ((number * 31) % 1_900)), timeUs });
      else log.push({ id: `late-${number}`, timeUs: timeUs - HORIZON_US + near });
    }
    return log;
  });

const actions = fc.array(
  fc.record({
    view: fc.nat(4),
    records: fc.nat(2_500),
    next: fc.constantFrom('commit', 'commit', 'commit', 'fail', 'expire'),
  }),
  { minLength: 10, maxLength: 30 },
);

it('views that share their ids judge as each would alone, wherever each is, begins, fails and forgets', () => {
  fc.assert(
    fc.property(logs, actions, fc.integer({ min: 1, max: 3_000 }), (log, steps, otherStart) => {
      const pools = { own: new ClaimPool(), history: new ClaimPool() };
      const history = Array.from({ length: 700 }, (_, at) => ({ id: `id-${at * 3}`, timeUs: at - 700 }));
      const starts: Start[] = [
        { offset: 0, history: [] },
        { offset: 0, history: [] },
        { offset: otherStart, history: [] },
        { offset: 0, history },
        { offset: 0, history },
      ];
      const views = starts.map((start) => new View(log, pools, start));
      for (const { view, records, next } of steps) {
        views[view]!.advance(records);
        views[view]![next]();
      }
      for (const view of views) {
        view.advance(log.length);
        view.release();
      }
      expect([pools.own.bytes, pools.history.bytes]).toEqual([new ClaimPool().bytes, new ClaimPool().bytes]);
    }),
    lawRuns(25),
  );
});
