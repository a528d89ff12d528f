import fc from 'fast-check';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { slotInputs } from '../../engine/define/slot-inputs.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { reachUs, type WindowSpan } from '../../engine/state/window-tiles.ts';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import type {
  AggregateName,
  FeatureLayout,
  PartialKind,
  SlotLayout,
  ViewLayout,
} from '../../engine/define/view-layout.ts';

/** Every scalar kind; decimals at both ends of precision and scale. */
export const scalarTypes: readonly ScalarType[] = [
  { kind: 'string' },
  { kind: 'boolean' },
  { kind: 'int' },
  { kind: 'int64' },
  { kind: 'decimal', precision: 12, scale: 2 },
  { kind: 'decimal', precision: 38, scale: 38 },
  { kind: 'decimal', precision: 38, scale: 0 },
  { kind: 'double' },
  { kind: 'timestamp' },
  { kind: 'date' },
  { kind: 'enum', values: ['b', 'a', '\u{1F600}', '\uFFFD', ''] },
];

export const summable = (type: ScalarType): boolean => ['int', 'int64', 'decimal', 'double'].includes(type.kind);

export function typeName(type: ScalarType): string {
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind;
}

function decimalText(scaled: bigint, scale: number): string {
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return scaled < 0n ? `-${text}` : text;
}

const doubles = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 0.1, 0.2, -0.1, -0.3, 15, -1440) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      5e-324,
      -5e-324,
      2.2250738585072014e-308,
      1e-300,
      2 ** -1022,
      2 ** -60,
      2 ** 60,
      2 ** 53 + 2,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(Number.MAX_VALUE, -Number.MAX_VALUE, 1e308, -1e308, 2 ** 1000, -(2 ** 1000), 2 ** 970),
  },
  { weight: 2, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0) },
  { weight: 2, arbitrary: fc.double({ noNaN: true, min: -1000, max: 1000 }).map((value) => value + 0) },
);

/** Values of a type as rows hold them, extremes included; few enough distinct ones that ties happen. */
export function valuesOf(type: ScalarType): fc.Arbitrary<NonNullable<ScalarValue>> {
  switch (type.kind) {
    case 'string':
      return fc.oneof(
        fc.constantFrom(
          '',
          'a',
          'B',
          'é',
          '\uE000',
          '\uFFFD',
          '\uFFFF',
          '\u{1F600}',
          '\u{10FFFF}',
          'a\u{1F600}',
          'a\uFFFD',
          '\0',
          'x'.repeat(200),
        ),
        fc.string({ unit: 'binary', maxLength: 6 }),
      );
    case 'boolean':
      return fc.boolean();
    case 'int':
      return fc.oneof(
        fc.integer({ min: -3, max: 3 }),
        fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 52, -(2 ** 52), 2 ** 31, -(2 ** 31) - 1),
        fc.maxSafeInteger().map((value) => value + 0),
      );
    case 'int64':
      return fc.oneof(
        fc.bigInt({ min: -3n, max: 3n }),
        fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -(2n ** 53n), 2n ** 53n - 1n),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      );
    case 'decimal': {
      const limit = 10n ** BigInt(type.precision) - 1n;
      return fc
        .oneof(
          fc.bigInt({ min: -300n, max: 300n }),
          fc.constantFrom(limit, -limit),
          fc.bigInt({ min: -limit, max: limit }),
        )
        .map((scaled) => decimalText(scaled, type.scale));
    }
    case 'double':
      return doubles;
    case 'timestamp':
      return fc.oneof(
        fc.integer({ min: -3, max: 3 }),
        fc.maxSafeInteger().map((value) => value + 0),
      );
    case 'date':
      return fc.oneof(
        fc.constantFrom(
          '0000-01-01',
          '0001-01-01',
          '1969-12-31',
          '1970-01-01',
          '2000-02-29',
          '2026-03-29',
          '9999-12-31',
        ),
        fc
          .integer({ min: -719_528, max: 2_932_896 })
          .map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10)),
      );
    case 'enum':
      return fc.constantFrom(...type.values);
  }
}

export interface Tiling {
  readonly hopUs: number;
  readonly windowsUs: readonly number[];
  /** Windows of the past: [length, how long ago they end]. */
  readonly pastUs?: readonly (readonly [windowUs: number, agoUs: number])[];
}

/** The windows of a tiling, those of the past last. */
function spansOf({ windowsUs, pastUs }: Tiling): WindowSpan[] {
  const past = (pastUs ?? []).map(([windowUs, agoUs]) => ({ windowUs, agoUs }));
  return [...windowsUs.map((windowUs) => ({ windowUs })), ...past];
}

/** Hops and windows: even ones, windows no multiple of the hop, shorter than it, one µs, whole (UTC) days, and longer than time itself; of the past: as long ago as they are long, shorter and longer, by less than a hop, by no multiple of it. */
export const tilings: readonly Tiling[] = [
  { hopUs: 60_000_000, windowsUs: [3_600_000_000, 60_000_000], pastUs: [[3_600_000_000, 3_600_000_000]] },
  { hopUs: 7_000_000, windowsUs: [60_000_000, 60_000_001, 3], pastUs: [[60_000_000, 3]] },
  { hopUs: 86_400_000_000, windowsUs: [30 * 86_400_000_000, 86_400_000_000 + 1] },
  { hopUs: 1, windowsUs: [1, 5], pastUs: [[1, 2]] },
  { hopUs: 3_600_000_000, windowsUs: [86_400_000_000, 90 * 60_000_000], pastUs: [[90 * 60_000_000, 86_400_000_001]] },
  { hopUs: 86_400_000_000, windowsUs: [Number.MAX_SAFE_INTEGER] },
];

function resultOf(aggregate: AggregateName, input: ScalarType | null): ResultType {
  switch (aggregate) {
    case 'firstN':
    case 'lastN':
    case 'topK':
      return { kind: 'list', item: input! };
    case 'quantiles':
      return { kind: 'list', item: { kind: 'double' } };
    case 'histogram':
      return { kind: 'map', key: input!, value: { kind: 'int' } };
    case 'count':
    case 'distinct':
    case 'approxDistinct':
      return { kind: 'int' };
    case 'avg':
    case 'median':
    case 'variance':
    case 'stddev':
      return { kind: 'double' };
    case 'sum':
      return input?.kind === 'decimal' ? { kind: 'decimal', precision: 38, scale: input.scale } : input!;
    default:
      return input!;
  }
}

function featuresOf(
  slot: number,
  { partial, input, distinct, by }: SlotLayout,
  windows: readonly WindowSpan[],
  hopUs: number | null,
): FeatureLayout[] {
  const aggregates: readonly (readonly [AggregateName, true?])[] =
    partial === 'sum'
      ? [['sum'], ['avg']]
      : partial === 'moments'
        ? [['avg'], ['variance'], ['stddev'], ['stddev', true]]
        : partial === 'quantiles'
          ? [['quantiles'], ['median']]
          : partial === 'values'
            ? [['distinct']]
            : partial === 'counts'
              ? [['distinct'], ['topK'], ...(CATEGORIES.has(input!.kind) ? [['histogram'] as const] : [])]
              : [[partial]];
  return aggregates.flatMap(([aggregate, population]) =>
    windows.map(({ windowUs, agoUs }): FeatureLayout => {
      const result = resultOf(aggregate, input);
      return {
        name: `${aggregate}${population === true ? '_p' : ''}${distinct === true ? '_d' : ''}_${slot}_${windowUs}${agoUs === undefined ? '' : `_${agoUs}`}`,
        aggregate,
        slot,
        windowUs,
        hopUs,
        result: by === undefined ? result : { kind: 'map', key: by.type, value: result },
        nullable: (aggregate !== 'count' && aggregate !== 'approxDistinct') || by !== undefined,
        ...(agoUs === undefined ? {} : { agoUs }),
        ...(population === true ? { population } : {}),
        ...(aggregate === 'quantiles' ? { quantiles: [0.9, 0, 1, 0.123] } : {}),
        ...(aggregate === 'topK' ? { top: 2 } : {}),
      };
    }),
  );
}

/** Beside the type at hand, the other input of `minBy` and `maxBy`, and what divides: few enough values that ties happen. */
const ORDER: ScalarType = { kind: 'int' };
const orders = fc.option(fc.integer({ min: -1, max: 1 }), { freq: 5 });

/** What `prepare` makes of a value and an order: the inputs of a layout's slots, in which a slot skips what has no y or no category. */
export function inputsOf(layout: ViewLayout, value: ScalarValue, order: ScalarValue): ScalarValue[] {
  const of = (type: ScalarType | null | undefined): ScalarValue =>
    type === ORDER ? order : type === null || type === undefined ? true : value;
  return slotInputs(layout.slots).map(({ slot, role }) => {
    const { input, order: y, by } = layout.slots[slot]!;
    if (role === 'category') return of(by?.type);
    if (of(input) === null || of(y) === null || (by !== undefined && of(by.type) === null)) return null;
    return of(role === 'order' ? y : input);
  });
}

const CATEGORIES = new Set(['string', 'enum', 'int', 'int64', 'boolean', 'date']);

/** A slot by few categories, with a limit that is met and one that is passed; counts also by the type at hand. */
function dividedSlots(type: ScalarType, slot: SlotLayout): SlotLayout[] {
  const limits = slot.partial === 'count' || slot.partial === 'moments' ? [2, 3] : [slot.partial === 'maxBy' ? 2 : 3];
  const byType = slot.input === null && CATEGORIES.has(type.kind) ? [{ type, limit: 4 }] : [];
  return [...limits.map((limit) => ({ type: ORDER, limit })), ...byType].map((by) => ({ ...slot, by }));
}

/** A view that puts every aggregate a type has on each tiling, and on a lifetime if asked. */
export function layoutOf(
  type: ScalarType,
  tieBreak: ViewLayout['tieBreak'],
  tiled: readonly Tiling[],
  lifetime: boolean,
  isDivided = false,
): ViewLayout {
  const kinds: PartialKind[] = ['count', 'min', 'max', 'first', 'last'];
  if (summable(type)) kinds.push('sum', 'moments');
  const groups = [
    ...tiled.map((tiling) => ({ hopUs: tiling.hopUs, spanUs: Math.max(...spansOf(tiling).map(reachUs)) })),
    ...(lifetime ? [{ hopUs: null, spanUs: null }] : []),
  ];
  const whole = groups.flatMap((_, group): SlotLayout[] => [
    { partial: 'count', input: null, group },
    ...kinds.map((partial): SlotLayout => ({ partial, input: type, group })),
    { partial: 'approxDistinct', input: type, hashes: 127, group },
    ...(summable(type) ? [{ partial: 'quantiles', input: type, octaveBits: 6, group } as const] : []),
    ...(['firstN', 'lastN'] as const).flatMap((partial): SlotLayout[] => [
      { partial, input: type, size: 3, group },
      { partial, input: type, size: 2, distinct: true, group },
    ]),
    // Of tiles and windows some have as many values as the limit, some more, some only together.
    { partial: 'values', input: type, limit: type.kind === 'boolean' ? 1 : 3, group },
    { partial: 'counts', input: type, limit: type.kind === 'boolean' ? 2 : 5, group },
    ...(['minBy', 'maxBy'] as const).flatMap((partial): SlotLayout[] => [
      { partial, input: type, order: ORDER, group },
      // And the other way round: every type is an order.
      { partial, input: ORDER, order: type, group },
    ]),
  ]);
  const slots = isDivided ? whole.flatMap((slot) => dividedSlots(type, slot)) : whole;
  const spans = tiled.map(spansOf);
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'law',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak,
    groups,
    slots,
    features: slots.flatMap((slot, index) =>
      featuresOf(index, slot, spans[slot.group] ?? [{ windowUs: null }], groups[slot.group]!.hopUs),
    ),
  };
}

/** Around which times events fall: the epoch, before it, days when local clocks change (plain UTC days here), the ends of time. */
const bases = [
  0,
  -86_400_000_000,
  Date.UTC(2026, 2, 29) * 1000,
  Date.UTC(2026, 9, 25) * 1000,
  Date.UTC(1901, 5, 1) * 1000,
];
const edges = [Number.MAX_SAFE_INTEGER - 40 * 86_400_000_000, Number.MIN_SAFE_INTEGER + 40 * 86_400_000_000];

const clamp = (timeUs: number) => Math.min(Math.max(timeUs, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);

/** Times on, just before and just after tile bounds within some windows of a base; sometimes anywhere at all. */
export function timesOf(tiled: readonly Tiling[]): fc.Arbitrary<fc.Arbitrary<number>> {
  const tilingList = tiled.length === 0 ? [tilings[0]!] : tiled;
  return fc
    .oneof({ weight: 8, arbitrary: fc.constantFrom(...bases) }, { weight: 1, arbitrary: fc.constantFrom(...edges) })
    .map((base) =>
      fc.oneof(
        {
          weight: 12,
          arbitrary: fc
            .tuple(
              fc.constantFrom(...tilingList),
              fc.integer({ min: -3, max: 3 }),
              fc.integer({ min: -6, max: 6 }),
              fc.integer({ min: -1, max: 1 }),
            )
            .map(([{ hopUs, windowsUs }, windows, hops, step]) => {
              const windowUs = Math.min(windowsUs[0]!, 30 * 86_400_000_000);
              const tile = Math.floor(base / hopUs) * hopUs;
              return clamp(tile + windows * windowUs + hops * hopUs + step) + 0;
            }),
        },
        { weight: 1, arbitrary: fc.maxSafeInteger().map((time) => time + 0) },
      ),
    );
}

/** Events of a layout of one input type. Ids and positions collide, so that every tie break is needed, the value's too. */
export function eventsOf(
  layout: ViewLayout,
  type: ScalarType,
  tiled: readonly Tiling[],
  maxLength = 24,
): fc.Arbitrary<PreparedEvent[]> {
  const ids = fc.constantFrom('1', '10', '2', 'a', '\uFFFD', '\u{1F600}', '');
  const integerIds = fc.constantFrom('9', '10', '-2', '-10', '9007199254740993', '9007199254740992', '0');
  return timesOf(tiled).chain((times) =>
    fc.array(
      fc
        .record({
          eventTimeUs: times,
          id: ids,
          integerId: integerIds,
          partition: fc.integer({ min: -1, max: 1 }),
          offset: fc.oneof(fc.nat(2), fc.constant(Number.MAX_SAFE_INTEGER)),
          value: fc.option(valuesOf(type), { freq: 5 }),
          order: orders,
        })
        .map(
          ({ value, order, id, integerId, ...rest }): PreparedEvent => ({
            ...rest,
            id: layout.tieBreak === 'offset' ? null : layout.tieBreak === 'id' ? id : integerId,
            keyText: 'k',
            key: ['k'],
            inputs: inputsOf(layout, value, order),
          }),
        ),
      { maxLength },
    ),
  );
}

/** Request times worth asking: just after the newest event, on and around every tile bound and the moments an event comes into a window and leaves it. */
export function readTimesOf(layout: ViewLayout, events: readonly PreparedEvent[], atLeastUs: number): number[] {
  const times = new Set([atLeastUs, atLeastUs + 1]);
  for (const { eventTimeUs } of events) {
    for (const { windowUs, hopUs, agoUs = 0 } of layout.features) {
      if (windowUs === null || hopUs === null) continue;
      const start = Math.floor(eventTimeUs / hopUs) * hopUs;
      const end = start + hopUs;
      for (const at of [start, eventTimeUs, end, eventTimeUs + windowUs, end + windowUs]) {
        for (const step of [-1, 0, 1]) times.add(at + agoUs + step);
      }
    }
  }
  return [...times].filter((at) => at >= atLeastUs && Number.isSafeInteger(at)).map((at) => at + 0);
}
