import type { Cell } from '../../engine/values/cell.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { internalBug, isMillraceError } from '../../engine/errors/millrace-error.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { postgresTypes } from '../../engine/postgres/type-parsers.ts';
import type { ViewVersion } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { stateCrc } from '../../engine/state/stored-state.ts';
import { createTileGroups } from '../../engine/state/tile-group.ts';
import type { TileState } from '../../engine/state/tile-state.ts';
import type { ViewReducer } from '../../engine/state/view-reducer.ts';
import { pauseView } from '../lifecycles.ts';
import { type EntityKey, type FaultSite, type PlantedFault, planted } from './fault-site.ts';

/** Version and layout tag: changed there, a state is none of this view any more, which every reader refuses. */
const HEADER_BYTES = 5;

interface StoredRow {
  readonly key: readonly NonNullable<ScalarValue>[];
  readonly state: Buffer;
}

/** One bit of one stored state changes by itself, as on a bad disk. */
export async function plantChangedByte(site: FaultSite): Promise<PlantedFault> {
  const { view, version } = await planted(site, 'airport_traffic');
  await pauseView(site.temporal, view.name, site.signal);
  const reducer = createViewReducer(version.layout);
  const nowUs = Date.now() * 1000;
  for (const { key, state } of shuffled(site, await storedRows(site, version))) {
    const before = reducer.read(reducer.decode(state), nowUs);
    for (let attempt = 0; attempt < 50; attempt++) {
      const changed = Buffer.from(state);
      const at = site.random.int(HEADER_BYTES, changed.length);
      changed[at] = changed[at]! ^ (1 << site.random.int(0, 8));
      // The worst kind: bytes that still are a state, and answer something else.
      const after = readOrNull(reducer, changed, nowUs);
      if (after === null || same(before, after)) continue;
      await replaceState(site, version, key, changed, null);
      await site.read(view.name, entityOf(version, key));
      return {
        fault: 'a changed state byte',
        view: view.name,
        cause: 'store-corruption',
        entity: entityOf(version, key),
        records: null,
      };
    }
  }
  throw internalBug(`no state of ${view.name} with a byte to change`);
}

/** A state that is sound in itself, checksum and all, with one tile a hop too early or too late. */
export async function plantShiftedTile(site: FaultSite): Promise<PlantedFault> {
  const { view, version } = await planted(site, 'lane_totals');
  await pauseView(site.temporal, view.name, site.signal);
  const reducer = createViewReducer(version.layout) as ViewReducer<TileState>;
  for (const { key, state } of shuffled(site, await storedRows(site, version))) {
    const shift = shiftOf(reducer, state);
    if (shift === null) continue;
    await replaceState(site, version, key, shift.state, stateCrc(shift.state));
    await site.read(view.name, entityOf(version, key), shift.atUs);
    return {
      fault: 'a shifted tile',
      view: view.name,
      cause: 'shifted-tile',
      entity: entityOf(version, key),
      records: null,
    };
  }
  throw internalBug(`no state of ${view.name} with a tile to shift`);
}

/** A shift of one tile that a read sees, and the time of that read; null where no tile can be moved. */
function shiftOf(
  reducer: ViewReducer<TileState>,
  state: Uint8Array,
): { readonly state: Uint8Array; readonly atUs: number } | null {
  const original = reducer.decode(state);
  const { layout } = reducer;
  const strides = createTileGroups(layout);
  for (const [index, { hopUs }] of layout.groups.entries()) {
    if (hopUs === null) continue;
    const stride = strides[index]!.cellStride;
    const rows = original.groups[index]!.cells.length / stride;
    // Neither the last one, which belongs to the newest event, nor into another one's place.
    for (let row = rows - 2; row >= 0; row--) {
      const shifted = reducer.decode(state);
      const { cells } = shifted.groups[index]!;
      const tile = cells[row * stride]!;
      if (tile + 1 >= cells[(row + 1) * stride]!) continue;
      cells[row * stride] = tile + 1;
      const bytes = encodeOrNull(reducer, shifted);
      if (bytes === null) continue;
      for (const { windowUs, agoUs, slot } of layout.features) {
        if (windowUs === null || layout.slots[slot]!.group !== index) continue;
        // The first moment at which the window has left the tile behind, and would not have left the shifted one.
        const atUs = (tile + 1) * hopUs + windowUs + (agoUs ?? 0);
        if (atUs <= original.newestEventTimeUs) continue;
        if (!same(reducer.read(reducer.decode(state), atUs), reducer.read(reducer.decode(bytes), atUs)))
          return { state: bytes, atUs };
      }
    }
  }
  return null;
}

async function storedRows(site: FaultSite, version: ViewVersion): Promise<StoredRow[]> {
  const keys = version.layout.keys.map(({ name }) => ident(name)).join(', ');
  const { rows } = await site.pool.query<[Buffer, ...NonNullable<ScalarValue>[]]>({
    text: `SELECT state, ${keys} FROM ${stateTable(version.stateTable)} ORDER BY ${keys}`,
    rowMode: 'array',
    types: postgresTypes,
  });
  return rows.map(([state, ...key]) => ({ key, state }));
}

/** In an order that the seed decides. */
function shuffled<Item>({ random }: FaultSite, items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: random.real() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Behind the engine's back. Without a checksum the stored one stays. */
async function replaceState(
  site: FaultSite,
  version: ViewVersion,
  key: readonly ScalarValue[],
  state: Uint8Array,
  crc: number | null,
): Promise<void> {
  const where = version.layout.keys.map(({ name }, index) => `${ident(name)} = $${index + 3}`).join(' AND ');
  const { rowCount } = await site.pool.query(
    `UPDATE ${stateTable(version.stateTable)} SET state = $1, state_crc = coalesce($2::int, state_crc) WHERE ${where}`,
    [state, crc, ...key],
  );
  if (rowCount !== 1) throw internalBug(`${rowCount} states of ${version.view} were changed instead of one`);
}

function entityOf(version: ViewVersion, key: StoredRow['key']): EntityKey {
  return Object.fromEntries(version.layout.keys.map(({ name }, index) => [name, key[index]!]));
}

function readOrNull(reducer: ViewReducer, state: Uint8Array, atUs: number): readonly Cell[] | null {
  return ownFaultAsNull(() => reducer.read(reducer.decode(state), atUs));
}

/** Bytes are null where no decoder takes them back: orders inside a partial may hang on its tile. */
function encodeOrNull(reducer: ViewReducer<TileState>, state: TileState): Uint8Array | null {
  return ownFaultAsNull(() => {
    const bytes = reducer.encode(state);
    reducer.decode(bytes);
    return bytes;
  });
}

function ownFaultAsNull<Value>(work: () => Value): Value | null {
  try {
    return work();
  } catch (error) {
    if (isMillraceError(error)) return null;
    throw error;
  }
}

function same(a: readonly Cell[], b: readonly Cell[]): boolean {
  return a.every((cell, index) => Object.is(cell, b[index]));
}
