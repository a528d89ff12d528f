import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { createStateReader, createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { layoutTag } from '../../engine/state/layout-tag.ts';
import { canonicalJson } from '../../engine/values/canonical-json.ts';
import type { ViewReducer } from '../../engine/state/view-reducer.ts';
import { eventsOf, layoutOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { hex, stateOf } from './engine-reads.ts';
import { goldenByCollections, goldenById, goldenByMoments, goldenByOffset, goldenBySketches } from './golden-states.ts';
import { lawRuns } from './law-seed.ts';

/** The code a decode fails with; null where it accepts. Anything but a MillraceError is a fault. */
function refusal(reducer: ViewReducer, bytes: Uint8Array): string | null {
  try {
    reducer.decode(bytes);
    return null;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return error.code;
  }
}

/** The refusal of a decode, or the bytes of what it gave: for a faithful codec one of `state-corrupt` and the bytes themselves. */
function outcome(reducer: ViewReducer, bytes: Uint8Array): string {
  return refusal(reducer, bytes) ?? hex(reducer.encode(reducer.decode(bytes)));
}

const goldenStates = [goldenById, goldenByOffset, goldenByMoments, goldenBySketches, goldenByCollections];

describe('the worked examples of engine/state/README.md', () => {
  test('stand there byte by byte', () => {
    const page = readFileSync('engine/state/README.md', 'utf8');
    const shown = [...page.matchAll(/^`(golden\w+)`: .*\n.*\n```\n([\s\S]*?)^```$/gm)].map(([, , text]) =>
      // What explains them stands two spaces off at least.
      text!.replaceAll(/^ *((?:[\da-f]{2}| (?! ))*).*$/gm, '$1').replaceAll(/\s/g, ''),
    );
    expect(shown).toEqual(goldenStates.map(({ hex }) => hex));
  });

  for (const golden of goldenStates) {
    test(`view ${golden.layout.view}`, () => {
      const reducer = createViewReducer(golden.layout);
      const state = stateOf(reducer, golden.events);
      expect(hex(reducer.encode(state))).toBe(golden.hex);
      expect(reducer.read(state, golden.readAtUs)).toEqual(golden.values);
      expect(reducer.read(reducer.decode(Buffer.from(golden.hex, 'hex')), golden.readAtUs)).toEqual(golden.values);
    });
  }
});

for (const type of scalarTypes) {
  for (const tieBreak of ['id', 'offset'] as const) {
    describe(`malformed states of ${typeName(type)}, ties by ${tieBreak}`, () => {
      const tiled = [tilings[0]!, tilings[2]!];
      const layout = layoutOf(type, tieBreak, tiled, true);
      const reducer = createViewReducer(layout);
      const states = eventsOf(layout, type, tiled, 8).map((events) => reducer.encode(stateOf(reducer, events)));

      test('what decodes is canonical, whatever bytes were changed', () => {
        fc.assert(
          fc.property(
            states,
            fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255))), {
              minLength: 1,
              maxLength: 3,
            }),
            (bytes, changes) => {
              const changed = Uint8Array.from(bytes);
              for (const [at, value] of changes) {
                if (changed.length > 5) changed[5 + (at % (changed.length - 5))] = value;
              }
              expect(['state-corrupt', hex(changed)]).toContain(outcome(reducer, changed));
            },
          ),
          lawRuns(400),
        );
      });

      test('bytes put in or taken out are refused or canonical', () => {
        fc.assert(
          fc.property(states, fc.nat(), fc.nat(6), fc.uint8Array({ maxLength: 4 }), (bytes, at, removed, inserted) => {
            const from = 5 + (at % Math.max(bytes.length - 4, 1));
            const changed = Buffer.concat([bytes.subarray(0, from), inserted, bytes.subarray(from + removed)]);
            expect(['state-corrupt', hex(changed)]).toContain(outcome(reducer, changed));
          }),
          lawRuns(200),
        );
      });

      test('every proper prefix but the empty state, and every longer text, is refused', () => {
        fc.assert(
          fc.property(states, fc.uint8Array({ minLength: 1, maxLength: 3 }), (bytes, trailing) => {
            const prefixes = [...bytes.keys()]
              .filter((length) => length !== 5)
              .map((length) => bytes.subarray(0, length));
            const longer = bytes.length > 5 ? [Buffer.concat([bytes, trailing])] : [];
            for (const malformed of [...prefixes, ...longer]) expect(refusal(reducer, malformed)).toBe('state-corrupt');
          }),
          lawRuns(20),
        );
      });
    });
  }
}

describe('hand-made malformed states', () => {
  const reducer = createViewReducer(goldenById.layout);
  const cases: Record<string, string> = {
    'a number in a longer form than needed': goldenById.hex.replace('030190962101', '03810090962101'),
    'an even mantissa': goldenById.hex.replace('1b010201', '1b010401'),
    'a tile that should have expired': goldenById.hex.replace('90962101011b01020101', 'e2952101011b01020118'),
    'a last tile that is not that of the newest event': goldenById.hex.replace('0102010103', '0102010003'),
    'an event newer than the newest': goldenById.hex.replace('b5018ca0', 'b5018ea0'),
    'another codec version': `02${goldenById.hex.slice(2)}`,
    'a text that is not UTF-8': goldenById.hex.replace(/0164$/, '01ff'),
    'a number without end': `${goldenById.hex.slice(0, 10)}${'ff'.repeat(1000)}`,
  };
  for (const [name, bytes] of Object.entries(cases)) {
    test(`refuses ${name}`, () => {
      expect(bytes).not.toBe(goldenById.hex);
      expect(refusal(reducer, Buffer.from(bytes, 'hex'))).toBe('state-corrupt');
    });
  }

  test('sums of squares and orders that nobody writes', () => {
    const { layout, hex: bytes } = goldenByMoments;
    const moments = createViewReducer(layout);
    for (const [sound, broken] of [
      // 5 · 2^-1 is not 10 · 2^-2.
      ['0a01', '1403'],
      // x without a y.
      ['11027a', '1100'],
    ] as const) {
      expect(bytes).toContain(sound);
      expect(refusal(moments, Buffer.from(bytes.replace(sound, broken), 'hex'))).toBe('state-corrupt');
    }
  });

  test('collections that nobody writes', () => {
    const { layout, hex: bytes } = goldenByCollections;
    const collections = createViewReducer(layout);
    for (const [sound, broken] of [
      // Values out of order, and one that is there no time.
      ['02780102790201', '02790202780101'],
      ['02780102790201', '02780002790201'],
      // A category out of order, and one without a value.
      ['0302750105027602', '0302760105027502'],
      ['0202750108', '02027500'],
      // More events than the list holds.
      ['2102060201', '2103060201'],
    ] as const) {
      expect(bytes).toContain(sound);
      expect(refusal(collections, Buffer.from(bytes.replace(sound, broken), 'hex'))).toBe('state-corrupt');
    }
  });

  test('a list over all time has events further apart than numbers are safe', () => {
    const listed: ViewLayout = {
      ...goldenById.layout,
      groups: [{ hopUs: null, spanUs: null }],
      slots: [{ partial: 'lastN', input: { kind: 'int' }, size: 2, group: 0 }],
      features: [
        {
          name: 'last_2',
          aggregate: 'lastN',
          slot: 0,
          windowUs: null,
          hopUs: null,
          result: { kind: 'list', item: { kind: 'int' } },
          nullable: true,
        },
      ],
    };
    const lists = createViewReducer(listed);
    const [first] = goldenById.events;
    const at = (eventTimeUs: number, value: number) => ({ ...first!, eventTimeUs, inputs: [value] });
    const bytes = lists.encode(stateOf(lists, [at(Number.MAX_SAFE_INTEGER, 1), at(Number.MIN_SAFE_INTEGER, 2)]));
    expect(lists.read(lists.decode(bytes), 0)).toEqual(['[2,1]']);
    expect(hex(lists.encode(lists.decode(bytes)))).toBe(hex(bytes));
  });

  test('a state of another layout', () => {
    const other = createViewReducer(goldenByOffset.layout);
    expect(refusal(reducer, other.encode(other.empty()))).toBe('state-layout-mismatch');
  });

  test('a double beyond the double range', () => {
    const layout = layoutOf({ kind: 'double' }, 'offset', [], true);
    const max = { ...layout, slots: layout.slots.filter(({ partial }) => partial === 'max'), features: [] };
    const doubles = createViewReducer(max);
    const state = doubles.empty();
    const event = { keyText: 'k', key: ['k'], id: null, partition: 0, offset: 0 };
    doubles.apply(state, { ...event, eventTimeUs: 0, inputs: [2 ** 1023] });
    const bytes = hex(doubles.encode(state));
    // s(1023) is fe 0f; s(1024) is 80 10.
    expect(bytes).toMatch(/03fe0f$/);
    expect(refusal(doubles, Buffer.from(bytes.replace(/fe0f$/, '8010'), 'hex'))).toBe('state-corrupt');
  });
});

describe('the layout tag', () => {
  test('does not depend on the order of keys', () => {
    const reversed = JSON.parse(JSON.stringify(goldenById.layout), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).reverse())
        : value,
    ) as ViewLayout;
    expect(Object.keys(reversed)).not.toEqual(Object.keys(goldenById.layout));
    expect(layoutTag(reversed)).toBe(layoutTag(goldenById.layout));
    expect(JSON.parse(canonicalJson(reversed))).toEqual(goldenById.layout);
  });
});

describe('semantics', () => {
  const refusalOf = (make: () => unknown): unknown => {
    try {
      make();
    } catch (error) {
      return isMillraceError(error) ? error.code : error;
    }
    return null;
  };

  for (const golden of goldenStates) {
    test(`a state of view ${golden.layout.view} that the previous release wrote reads as it did`, () => {
      const before = { ...golden.layout, semantics: ENGINE_SEMANTICS - 1 };
      const reader = createStateReader(before);
      const bytes = Buffer.from(`${golden.hex.slice(0, 2)}${golden.tagBefore}${golden.hex.slice(10)}`, 'hex');
      expect(reader.read(reader.decode(bytes), golden.readAtUs)).toEqual(golden.values);
      expect(refusalOf(() => createViewReducer(before))).toBe('semantics-retired');
    });
  }

  test('of a later release, or of one long before, are not read', () => {
    for (const semantics of [ENGINE_SEMANTICS + 1, ENGINE_SEMANTICS - 2])
      expect(refusalOf(() => createStateReader({ ...goldenById.layout, semantics }))).toBe('semantics-mismatch');
    expect(refusalOf(() => createViewReducer({ ...goldenById.layout, semantics: ENGINE_SEMANTICS + 1 }))).toBe(
      'semantics-mismatch',
    );
  });
});
