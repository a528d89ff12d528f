import { setImmediate as turn } from 'node:timers/promises';
import { sensitiveParts, shownIf } from '../define/sensitive-view.ts';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { scanLog } from '../log/scan-log.ts';
import { withBatchMemory } from '../memory/duckdb-memory.ts';
import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { processMemory } from '../memory/process-memory.ts';
import type { Cell } from '../values/cell.ts';
import { isCellError } from '../values/cell.ts';
import { type CellJson, cellJson } from '../values/cell-json.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { jsonEntity, type JsonValue } from '../values/json-values.ts';
import type { DiffOptions, DiffSide, SideFigures, VersionsDiff } from './diff-types.ts';
import { byHash, type SampledEntity } from './entity-sample.ts';
import { FeatureTally } from './feature-tally.ts';
import { fitMemory } from './fit-memory.ts';
import { SideReplay } from './replay-side.ts';
import { logDifferences, readsOneLog } from './shared-log.ts';
import { keysText, sharedFeatures } from './shared-features.ts';

/** All entities of most views. */
export const DIFF_ENTITIES = 200_000;
/** What a comparison begins with. */
export const LEAST_DIFF_MEMORY: MemoryAmount = { heap: 72 << 20, buffers: 32 << 20 };
/** What it takes beside that where it can have it, for more entities than a few: states that are not decoded have to be, again and again. */
const MORE_HEAP_BYTES = 512 << 20;
const FEW_ENTITIES = 5_000;
/** Of the heap, for the decoded states of each of the two. */
const DECODED_SHARE = 0.25;
/** Entities are compared in steps of this many, so that heartbeats and signals are not kept waiting. */
const ENTITIES_PER_TURN = 500;

/**
 * What two versions of a view say of the same entities at one prefix of the log and at one time, cell by cell: both are replayed over
 * the log, and a cell is its bits or its error. The log is scanned once where both read the same one. Entities are those with events in either;
 * more than `entities` are sampled by the hash of their keys, the same ones each time. Where the join keys differ nothing is compared, and that is said.
 *
 * @throws MillraceError what replaying a log throws: `history-changed`, `history-not-found`, `offsets-gone`, `log-hole`,
 * `archive-file-missing`, `service-unreachable`; the signal's reason
 * @example
 * const { cells, differing, features } = await diffVersions({ before, after, reader, listings, spillDir });
 */
export async function diffVersions(options: DiffOptions): Promise<VersionsDiff> {
  return (await compareVersions(options)).diff;
}

/** The same with the tallies it was counted by: a plot is drawn of their numbers. */
export async function compareVersions(
  options: DiffOptions,
): Promise<{ readonly diff: VersionsDiff; readonly tallies: readonly FeatureTally[] }> {
  const { before, after, memory = processMemory(), signal, onWait, spillDir } = options;
  const fault = keysFault(before, after);
  if (fault !== null) return { diff: new Comparison(options).incomparable(fault), tallies: [] };
  const name = `comparison of versions of ${after.view.name}`;
  return await withBatchMemory(memory, LEAST_DIFF_MEMORY, name, { signal, onWait }, async (held) => {
    const duckdb = await openDuckDb({ memory, tempDir: spillDir });
    try {
      return await new Comparison(options).run(duckdb, held);
    } finally {
      await duckdb.close();
    }
  });
}

function keysFault(before: DiffSide, after: DiffSide): string | null {
  const [one, other] = [keysText(before.view.layout), keysText(after.view.layout)];
  return one === other ? null : `the join keys differ: ${one} before, ${other} after`;
}

class Comparison {
  readonly #options: DiffOptions;

  constructor(options: DiffOptions) {
    this.#options = options;
  }

  async run(
    duckdb: DuckDb,
    held: MemoryReservation,
  ): Promise<{ readonly diff: VersionsDiff; readonly tallies: readonly FeatureTally[] }> {
    const { before, after, entities = DIFF_ENTITIES, atUs = Number.POSITIVE_INFINITY } = this.#options;
    if (entities > FEW_ENTITIES)
      for (let more = MORE_HEAP_BYTES; more > 1 << 20 && !held.grow('heap', more); ) more /= 2;
    const decoded = held.heap * DECODED_SHARE;
    const sides = [before, after].map((side) => new SideReplay(side, entities, atUs, decoded));
    try {
      const isOneScan = readsOneLog(before, after);
      const runs = isOneScan ? [sides] : sides.map((side) => [side]);
      for (const [index, together] of runs.entries())
        await this.#replay(duckdb, held, together, sides, { index, of: runs.length });
      return await this.#compared(sides[0]!, sides[1]!, isOneScan);
    } finally {
      for (const side of sides) side.release();
    }
  }

  /** One scan, for those that read the same log. */
  async #replay(
    duckdb: DuckDb,
    held: MemoryReservation,
    together: readonly SideReplay[],
    all: readonly SideReplay[],
    turnOf: { readonly index: number; readonly of: number },
  ): Promise<void> {
    const { reader, listings, memory, signal, onWait, onProgress } = this.#options;
    const { view, reads, cut } = together[0]!.side;
    const scan = scanLog({
      source: view.source,
      ...(reads === undefined ? {} : { reads }),
      cut,
      reader,
      duckdb,
      listings,
      order: 'any',
      memory,
      signal,
      onWait,
      onProgress: ({ rows, totalRows }) =>
        onProgress?.({
          phase: 'replay',
          done: rows,
          // Of two scans the second begins anew: its rows are as many again.
          total: turnOf.of === 1 ? totalRows : null,
        }),
    });
    for await (const events of scan.batches()) {
      signal?.throwIfAborted();
      for (let index = 0; index < events.length; index++) for (const side of together) side.apply(events[index]!);
      fitMemory(held, all);
    }
  }

  async #compared(
    before: SideReplay,
    after: SideReplay,
    isOneScan: boolean,
  ): Promise<{ readonly diff: VersionsDiff; readonly tallies: readonly FeatureTally[] }> {
    const { entities: most = DIFF_ENTITIES, signal, onProgress } = this.#options;
    const shared = sharedFeatures(before.side.view.layout, after.side.view.layout);
    const tallies = shared.features.map((one) => new FeatureTally(one.feature, one.before, one.after));
    const newestUs = Math.max(before.newestUs, after.newestUs);
    const atUs = this.#options.atUs ?? newestUs + 1;
    const common = commonSample(before, after, most);
    const [emptyBefore, emptyAfter] = Number.isFinite(atUs)
      ? [before.emptyCells(atUs), after.emptyCells(atUs)]
      : [[], []];
    const shown = exampleOf(before.side, after.side);
    let onlyBefore = 0;
    let onlyAfter = 0;
    for (const [index, { keyText, key }] of common.entities.entries()) {
      if (index % ENTITIES_PER_TURN === 0) {
        await turn();
        signal?.throwIfAborted();
        onProgress?.({ phase: 'compare', done: index, total: common.entities.length });
      }
      const then = before.cells(keyText, atUs);
      const now = after.cells(keyText, atUs);
      if (now === null) onlyBefore++;
      if (then === null) onlyAfter++;
      const [older, newer] = [then ?? emptyBefore, now ?? emptyAfter];
      for (const tally of tallies) {
        const [a, b] = [older[tally.before]!, newer[tally.after]!];
        tally.add(a, b, () => shown(tally, key, a, b));
      }
    }
    const diff: VersionsDiff = {
      ...this.#head(figuresOf(before), figuresOf(after)),
      at: Number.isFinite(atUs) ? formatDateTime(atUs) : null,
      entities: common.entities.length,
      isWhole: common.isWhole,
      entitiesOnlyBefore: onlyBefore,
      entitiesOnlyAfter: onlyAfter,
      cells: tallies.reduce((sum, { cells }) => sum + cells, 0),
      differing: tallies.reduce((sum, { differing }) => sum + differing, 0),
      features: tallies.map((tally) => tally.result(common.isWhole)),
      incomparable: null,
      logs: logDifferences(before.side, after.side),
      isOneScan,
    };
    return { diff, tallies };
  }

  /** Nothing was read. */
  incomparable(why: string): VersionsDiff {
    const { before, after } = this.#options;
    const none = { applied: 0, filtered: 0, nullKey: 0, invalid: 0 };
    const figures = ({ view, version }: DiffSide): SideFigures => ({
      version,
      fingerprint: view.fingerprint,
      counts: none,
    });
    return {
      ...this.#head(figures(before), figures(after)),
      at: null,
      entities: 0,
      isWhole: false,
      entitiesOnlyBefore: 0,
      entitiesOnlyAfter: 0,
      cells: 0,
      differing: 0,
      features: [],
      incomparable: why,
      logs: [],
      isOneScan: false,
    };
  }

  #head(
    before: SideFigures,
    after: SideFigures,
  ): Pick<VersionsDiff, 'view' | 'before' | 'after' | 'onlyBefore' | 'onlyAfter' | 'retyped'> {
    const { before: one, after: other } = this.#options;
    const { onlyBefore, onlyAfter, retyped } = sharedFeatures(one.view.layout, other.view.layout);
    return { view: other.view.name, before, after, onlyBefore, onlyAfter, retyped };
  }
}

function figuresOf({ side, counts }: SideReplay): SideFigures {
  return { version: side.version, fingerprint: side.view.fingerprint, counts: { ...counts } };
}

/** The entities of both, in order. Each side's sample has all of its own among the first ones of both together. */
function commonSample(
  before: SideReplay,
  after: SideReplay,
  most: number,
): { readonly entities: readonly SampledEntity[]; readonly isWhole: boolean } {
  const [one, other] = [before.sample.ended(), after.sample.ended()];
  const union = [...one, ...other.filter(({ keyText }) => before.sample.get(keyText) === undefined)].sort(byHash);
  // Beyond the last one of a sample that left some out, who has no events there is not known.
  const bounds = [before, after].flatMap((side, index) =>
    side.sample.isWhole ? [] : [(index === 0 ? one : other).at(-1)!],
  );
  const within = union.filter((entity) => bounds.every((bound) => byHash(entity, bound) <= 0)).slice(0, most);
  return { entities: within, isWhole: bounds.length === 0 && within.length === union.length };
}

/** Makes an example as it may be shown: what either of the two calls sensitive is hashed. */
function exampleOf(
  before: DiffSide,
  after: DiffSide,
): (
  tally: FeatureTally,
  key: SampledEntity['key'],
  a: Cell,
  b: Cell,
) => ReturnType<Parameters<FeatureTally['add']>[2]> {
  const parts = [before, after].map(({ view }) => sensitiveParts(view));
  const { keys } = after.view.layout;
  const cell = (tally: FeatureTally, value: Cell): CellJson => {
    const json = cellJson(tally.type, value);
    return isCellError(value)
      ? json
      : shownIf(
          parts.some((part) => part.feature(tally.name)),
          json,
        );
  };
  return (tally, key, a, b) => ({
    entity: Object.fromEntries(
      Object.entries(jsonEntity(keys, key)).map(([name, value]): [string, JsonValue] => [
        name,
        shownIf(
          parts.some((part) => part.key(name)),
          value,
        ),
      ]),
    ),
    before: cell(tally, a),
    after: cell(tally, b),
  });
}
