import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  carriedJson,
  carriedValue,
  jsonTree,
  listText,
  mapText,
  openedValue,
} from '../../engine/values/composite-text.ts';
import type { ListType, MapType } from '../../engine/values/result-type.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { lawRuns } from './law-seed.ts';

const int64s: ListType = { kind: 'list', item: { kind: 'int64' } };
const times: ListType = { kind: 'list', item: { kind: 'timestamp' } };
const doubles: ListType = { kind: 'list', item: { kind: 'double' } };
const counts: MapType = { kind: 'map', key: { kind: 'string' }, value: { kind: 'int' } };
const byNumber: MapType = { kind: 'map', key: { kind: 'int' }, value: doubles };

describe('the canonical text of a list or a map', () => {
  it('has elements as JSON has them', () => {
    expect(listText(int64s)([9007199254740993n, -1n])).toBe('["9007199254740993","-1"]');
    expect(listText(times)([0])).toBe('["1970-01-01T00:00:00.000000Z"]');
    expect(listText(doubles)([0.1, 1e21, 5e-324])).toBe('[0.1,1e+21,5e-324]');
    expect(mapText(byNumber)([-1, 2], ['[0.5]', null])).toBe('{"-1":[0.5],"2":null}');
    expect(nameOfType(byNumber)).toBe('map of int to list of double');
  });

  it('opens to what TypeScript has, frozen, without a prototype', () => {
    expect(openedValue(int64s)('["9007199254740993"]')).toEqual([9007199254740993n]);
    expect(openedValue(times)('["1970-01-01T00:00:00.000001Z"]')).toEqual([1]);
    const opened = openedValue(counts)('{"__proto__":1,"constructor":2}') as Readonly<Record<string, unknown>>;
    expect(Object.getPrototypeOf(opened)).toBeNull();
    expect(Object.entries(opened)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
    expect(Object.isFrozen(opened)).toBe(true);
    expect(openedValue(counts)(null)).toBeNull();
  });

  it('is one for equal values, whatever the order of a map, and refuses what is none of the type', () => {
    expect(carriedJson(byNumber)({ 2: null, '-1': [0.5] })).toBe('{"-1":[0.5],"2":null}');
    expect(carriedJson(byNumber)({ 10: [1], 9: [2] })).toBe('{"9":[2],"10":[1]}');
    expect(carriedValue(int64s)([1n, 2n])).toBe('["1","2"]');
    expect(carriedValue(counts)({})).toBe('{}');
    for (const wrong of [{ '1.0': [1] }, { 1.5: [1] }, { a: [1] }, { 1: ['x'] }, [1], 'x', 1]) {
      expect(carriedJson(byNumber)(wrong)).toBeUndefined();
    }
    expect(carriedValue(int64s)([1n, null])).toBeUndefined();
    expect(carriedValue(int64s)([1])).toBeUndefined();
  });

  it('comes back from JSON and from TypeScript', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
    fc.assert(
      fc.property(fc.array(finite), (values) => {
        const text = listText(doubles)(values);
        expect(carriedJson(doubles)(JSON.parse(JSON.stringify(jsonTree(doubles, text))))).toBe(text);
        expect(carriedValue(doubles)(openedValue(doubles)(text))).toBe(text);
        expect(openedValue(doubles)(text)).toEqual(values);
      }),
      lawRuns(200),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer()), (record) => {
        const text = carriedValue(counts)(record) as string;
        expect(carriedValue(counts)(openedValue(counts)(text))).toBe(text);
        expect(new Map(Object.entries(openedValue(counts)(text) as object))).toEqual(new Map(Object.entries(record)));
      }),
      lawRuns(200),
    );
  });
});
