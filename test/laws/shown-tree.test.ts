import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditSummary } from '../../activities/audit-view.ts';
import { shownCell, shownCells } from '../../cli/shown-cell.ts';
import type { AuditResult } from '../../engine/parity/audit-types.ts';
import type { JsonTree } from '../../engine/values/json-values.ts';
import { shownDifference, shownTree } from '../../engine/values/shown-tree.ts';
import { lawRuns } from './law-seed.ts';

const thousand = Array.from({ length: 1_000 }, (_, index) => index);

describe('a list or a map in a table', () => {
  it('is whole where it has room, else says how much is left out', () => {
    expect(shownTree(['PHL', 'LAS'])).toBe('["PHL", "LAS"]');
    expect(shownTree({ a: 1, b: null })).toBe('{"a": 1, "b": null}');
    expect(shownTree([])).toBe('[]');
    expect(shownTree(thousand)).toBe('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, … 982 more]');
    expect(shownTree({ a: thousand, b: thousand })).toBe('{"a": [0, 1, 2, 3, 4, 5, 6, … 993 more], … 1 more}');
    expect(shownTree(['x'.repeat(1_000), 1])).toBe(`["${'x'.repeat(59)}…, … 1 more]`);
    expect(shownTree('text')).toBe('"text"');
  });

  it('beside another one shows what differs', () => {
    expect(shownDifference(thousand, thousand.with(500, -1))).toEqual([
      '[… 500 equal, 500, … 499 equal]',
      '[… 500 equal, -1, … 499 equal]',
    ]);
    expect(shownDifference([1, 1], [1])).toEqual(['[… 1 equal, 1]', '[… 1 equal]']);
    expect(shownDifference([], ['x'])).toEqual(['[]', '["x"]']);
    expect(shownDifference({ a: 1, b: [2], d: 4 }, { a: 1, b: [3], c: 5 })).toEqual([
      '{"b": [2], "d": 4, … 1 equal}',
      '{"b": [3], "c": 5, … 1 equal}',
    ]);
    expect(shownDifference({ toString: 1 }, {})).toEqual(['{"toString": 1}', '{}']);
    expect(shownDifference(null, [1])).toEqual(['null', '[1]']);
  });

  it('as a cell is itself, a map out of its wrapping, an error its code', () => {
    expect(
      [[1, 2], { map: { a: 1 } }, { error: 'too-many-distinct' }, { shortened: '[… 1 more]' }, 'x', null].map(
        shownCell,
      ),
    ).toEqual(['[1, 2]', '{"a": 1}', 'error: too-many-distinct', '[… 1 more]', '"x"', 'null']);
    expect(shownCells({ map: { a: 1, b: 1 } }, { map: { a: 1, b: 2 } })).toEqual([
      '{"b": 1, … 1 equal}',
      '{"b": 2, … 1 equal}',
    ]);
    expect(shownCells([1], { error: 'too-many-distinct' })).toEqual(['[1]', 'error: too-many-distinct']);
  });

  it('is no longer than there is room, whatever differs', () => {
    const short = fc.jsonValue({ maxDepth: 0, stringUnit: 'grapheme-ascii' });
    const tree = fc.oneof(fc.array(short), fc.dictionary(fc.string({ maxLength: 10 }), short));
    fc.assert(
      fc.property(tree, tree, (before, after) => {
        for (const text of [shownTree(before as JsonTree), ...shownDifference(before as JsonTree, after as JsonTree)])
          expect(text.length).toBeLessThan(140);
      }),
      lawRuns(500),
    );
  });
});

it('a workflow keeps of long lists and maps what differs', () => {
  const difference = {
    number: 1,
    entity: {},
    seq: 1,
    asOf: null,
    requestId: null,
    cause: 'lost-record',
    detail: '',
    cells: [
      { feature: 'long', expected: thousand, received: thousand.with(500, -1) },
      {
        feature: 'map',
        expected: { map: Object.fromEntries(thousand.map((each) => [`k${each}`, each])) },
        received: null,
      },
      { feature: 'short', expected: [1], received: { map: { a: 1 } } },
      { feature: 'failed', expected: [1], received: { error: 'too-many-distinct' } },
    ],
    records: [],
  };
  const { differences } = auditSummary({ differences: [difference] } as Partial<AuditResult> as AuditResult);
  const [long, map, short, failed] = differences[0]!.cells;
  expect(long).toEqual({
    feature: 'long',
    expected: { shortened: '[… 500 equal, 500, … 499 equal]' },
    received: { shortened: '[… 500 equal, -1, … 499 equal]' },
  });
  expect(map!.received).toBeNull();
  expect(JSON.stringify(map!.expected)).toMatch(/^\{"shortened":"\{\\"k0\\": 0, .* … \d+ more\}"\}$/);
  expect([short, failed]).toEqual(difference.cells.slice(2));
});
