import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseJson } from '../../engine/values/parse-json.ts';
import { lawRuns } from './law-seed.ts';

it('keys that are an escape are not taken for one met before that ends with a backslash', () => {
  const texts = ['{" ":1,"\\\\":2}', '{" ":1,"\\"":2}', '{" ":1,"\\n":2}', '{" ":1,"\\u0041":2}'];
  expect(texts.map((text) => Object.keys(parseJson(text) as object)[1])).toEqual(['\\', '"', '\n', 'A']);
});

/** JSON has no negative zero. */
function written(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, written(of)]));
}

it('reads what JSON.stringify wrote', () => {
  const values = fc.jsonValue({ maxDepth: 4 }).map(written);
  const keys = fc.oneof(
    fc.string(),
    fc.constantFrom('\\', '"', '\n', 'a\\', 'a"', '__proto__', '[{,:}]', ' ', '\u{1F600}'),
  );
  fc.assert(
    fc.property(values, fc.array(fc.tuple(keys, values)), (value, entries) => {
      const tree = [value, Object.fromEntries(entries)];
      for (const space of [0, 2]) {
        const parsed = parseJson(JSON.stringify(tree, null, space)) as typeof tree;
        expect(parsed).toEqual(tree);
        // One by one: what compares them may read no property called `__proto__`.
        expect(Object.entries(parsed[1]!)).toEqual(Object.entries(tree[1]!));
      }
    }),
    lawRuns(500),
  );
});

it('refuses what is no JSON', () => {
  for (const text of ['', '{', '{"a\\""}', '[1,]', '"\\x"', '{"a":1}}'])
    expect(() => parseJson(text)).toThrow(SyntaxError);
});
