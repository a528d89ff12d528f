import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { jsonFault } from '../../engine/contract/json-fault.ts';
import { epoch } from '../../engine/contract/epoch.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
console.log(`json-faults seed ${seed}`);

const contract = compileContract(
  z.object({ id: z.int64(), x: z.number().nullable(), list: z.array(z.int()).optional() }),
);

function reasons(json: string | Buffer): readonly string[] {
  const decoded = contract.decodeJson(json);
  expect(decoded.ok).toBe(false);
  return decoded.ok ? [] : decoded.reasons;
}

test('NaN and Infinity are told by their field', () => {
  expect(reasons('{"id":1,"x":NaN}')).toEqual([
    'x: expected a number, received NaN; a value that is not known is null',
  ]);
  expect(reasons('{"id": 1, "x": -Infinity, "list": [1, NaN]}')).toEqual([
    'x: expected a number, received -Infinity; a value that is not known is null',
    'list[1]: expected an integer, received NaN; a value that is not known is null',
  ]);
  // In a text they are text, and in a field of no contract they are no JSON.
  expect(contract.decodeJson('{"id":1,"x":1,"note":"NaN, \\"Infinity\\""}').ok).toBe(true);
  expect(reasons('{"id":1,"x":1,"other":NaN}')).toEqual([
    'record: expected JSON, received "{\\"id\\":1,\\"x\\":1,\\"other\\":NaN}": NaN is no JSON',
  ]);
  expect(reasons('{"id":1,"x":NaN')[0]).toMatch(
    /^record: expected JSON, received "\{\\"id\\":1,\\"x\\":NaN": NaN is no JSON$/,
  );
});

test("a schema registry's framing is named, with its schema", () => {
  const json = Buffer.from('{"id":1,"x":2}');
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), json]);
  expect(reasons(framed)).toEqual([
    "record: looks like a schema registry's framing (schema id 7): expected plain JSON, written without the registry's serializer, " +
      'received a zero byte and 4 bytes before "{\\"id\\":1,\\"x\\":2}"',
  ]);
  const avro = Buffer.concat([Buffer.from([0, 0, 1, 0, 3, 0x02, 0x80, 0xff, 0xfe, 0x06])]);
  expect(reasons(avro)[0]).toMatch(/looks like a schema registry's framing \(schema id 65539\)/);
  expect(reasons(Buffer.from([0, 1]))).toEqual(['record: expected JSON, received 2 bytes that begin with 00']);
});

test('other framings and encodings are named, not taken for one of these', () => {
  const json = '{"id":1,"x":2}';
  const glue = Buffer.concat([Buffer.from([3, 0]), Buffer.alloc(16, 200), Buffer.from(json)]);
  expect(reasons(glue)).toEqual([
    "record: looks like a schema registry's framing (AWS Glue): expected plain JSON, written without the registry's serializer, " +
      'received 18 bytes before "{\\"id\\":1,\\"x\\":2}"',
  ]);
  expect(reasons(Buffer.from([3, 1]))).toEqual(['record: expected JSON, received 2 bytes that begin with 03']);
  const little = Buffer.from(json, 'utf16le');
  const marked = Buffer.from(`\ufeff${json}`, 'utf16le');
  for (const bytes of [little, marked, Buffer.from(little).swap16(), Buffer.from(marked).swap16()]) {
    expect(reasons(bytes)).toEqual(['record: expected JSON in UTF-8, received UTF-16']);
  }
  expect(reasons(Buffer.from([0xc3, 0x01, 0xff, 0xfe, 2, 4]))).toEqual([
    'record: expected JSON in UTF-8, received Avro (single-object encoding)',
  ]);
  expect(reasons(gzipSync(json))).toEqual(['record: expected JSON in UTF-8, received gzip']);
  expect(reasons(zstdCompressSync(json))).toEqual(['record: expected JSON in UTF-8, received Zstandard']);
  expect(reasons(Buffer.from([0xe9, 0x20, 0x20, 0x20]))).toEqual([
    'record: expected JSON in UTF-8, received other bytes',
  ]);
});

test('zero bytes and files of other formats are no framing', () => {
  expect(reasons(Buffer.alloc(40))).toEqual(['record: expected JSON in UTF-8, received zero bytes']);
  expect(reasons(Buffer.concat([Buffer.from('PAR1'), Buffer.from([0x15, 4, 0xff])]))).toEqual([
    'record: expected JSON in UTF-8, received Parquet',
  ]);
});

test('an envelope is named where what the contract asks for is missing, and only there', () => {
  const row = { id: 1, x: 2 };
  const envelopes: [object, RegExp][] = [
    [
      { schema: { type: 'struct' }, payload: row },
      /^record: looks like an envelope of Kafka Connect: .*schemas\.enable=false/,
    ],
    [{ before: null, after: row, op: 'c' }, /^record: looks like an envelope of Debezium: .*ExtractNewRecordState/],
    [{ specversion: '1.0', type: 't', source: 's', data: row }, /^record: looks like an envelope of CloudEvents/],
  ];
  for (const [envelope, words] of envelopes) {
    const [first, ...others] = reasons(JSON.stringify(envelope));
    expect(first).toMatch(words);
    expect(others).toHaveLength(2);
    expect(contract.decodeJson(JSON.stringify({ ...envelope, ...row })).ok).toBe(true);
  }
  expect(reasons('{"payload":1}')).toHaveLength(2);
  const own = compileContract(z.object({ op: z.string(), after: z.int() }));
  expect(own.decodeJson('{"op":"c","after":"x"}')).toMatchObject({ reasons: [expect.stringMatching(/^after: /)] });
});

test('a field that is there under another case only is no missing one, required or not', () => {
  const cased = compileContract(
    z.object({ id: z.string(), note: z.string().optional(), o: z.object({ v: z.int().optional() }).optional() }),
  );
  const refused = (json: string): unknown => cased.decodeJson(json);
  const fault = (path: string, name: string, other: string): string =>
    `${path}: expected a field "${name}", received "${other}": names are matched to the letter`;
  expect(refused('{"ID":"a"}')).toEqual({ ok: false, reasons: [fault('id', 'id', 'ID')] });
  expect(refused('{"id":"a","Note":"x"}')).toEqual({ ok: false, reasons: [fault('note', 'note', 'Note')] });
  expect(refused('{"id":"a","o":{"V":1}}')).toEqual({ ok: false, reasons: [fault('o.v', 'v', 'V')] });
  expect(refused('{"ID":1,"id":"a","Note":2,"note":"x","o":{"V":"x","v":1}}')).toEqual({
    ok: true,
    row: { id: 'a', note: 'x', o: { v: 1 } },
  });
  // A value of TypeScript may hold undefined under the very name.
  expect(cased.decodeValue({ Id: 1, id: 'a', NOTE: 1, note: undefined })).toMatchObject({ ok: true });
  expect(refused('{"id":"a","notes":"x"}')).toEqual({ ok: true, row: { id: 'a', note: null, o: null } });
});

test('an epoch number of another unit is told as such, beyond 2^53 too', () => {
  const millis = compileContract(z.object({ t: epoch('ms') }));
  expect(millis.decodeJson('{"t":1700000000000000000}')).toMatchObject({
    reasons: [expect.stringMatching(/received 1700000000000000000; looks like nanoseconds$/)],
  });
});

test('a time in a spelling of text, and an epoch number in text, say what is wanted', () => {
  const { decodeJson } = compileContract(z.object({ t: z.iso.datetime({ offset: true }) }));
  const said = (text: string): unknown => {
    const decoded = decodeJson(JSON.stringify({ t: text }));
    return decoded.ok ? 'taken' : decoded.reasons[0]!.split('; ')[1];
  };
  const written = 'a typed value is written 2024-05-01T00:00:00Z: with a T, with seconds, an offset as +00:00';
  for (const text of ['2024-05-01 00:00:00Z', '2024-05-01T00:00Z', '2024-05-01 00:00:00+00'])
    expect(said(text)).toBe(written);
  for (const text of ['1714521600', '1714521600000', '1714521600000000000'])
    expect(said(text)).toBe('an epoch number needs epoch(…) in the contract, with its unit');
  for (const text of ['soon', '42', '20240501T000000Z']) expect(said(text)).toBeUndefined();
});

test('a number that has lost digits says how to send it', () => {
  expect(reasons('{"id":1524831183200260097,"x":1}')).toEqual([
    'id: expected a 64-bit integer, received 1524831183200260097; beyond 2^53 a JSON number or a double has lost digits: send it as text',
  ]);
  expect(contract.decodeJson('{"id":"1524831183200260097","x":1}')).toMatchObject({
    ok: true,
    row: { id: 1524831183200260097n },
  });
  // Two that a double takes for one are not told apart; nested ones and those in lists are shown as they are.
  expect(reasons('{"id":1524831183200260097,"x":1,"other":1524831183200260096}')[0]).toContain(
    'received 1524831183200260000;',
  );
  expect(reasons('{"id":"1","x":1,"list":[9007199254740993]}')[0]).toMatch(
    /^list\[0\]: expected an integer, received 9007199254740993; /,
  );
  expect(reasons('{"id":1e400,"x":1}')[0]).toBe(
    'id: expected a 64-bit integer, received Infinity; a value that is not known is null',
  );
  const nanos = compileContract(z.object({ t: epoch('ns') }));
  expect(nanos.decodeJson('{"t":1700000000000000000}')).toEqual({
    ok: false,
    reasons: [
      't: expected a time in epoch nanoseconds, a whole number or its digits, no finer than a microsecond, received 1700000000000000000; ' +
        'beyond 2^53 a JSON number or a double has lost digits: send it as text',
    ],
  });
});

test('what is no JSON is shown around the place of its fault', () => {
  expect(jsonFault('{"a":1,}')).toBe('received "{\\"a\\":1,}"');
  const long = `{"a":"${'x'.repeat(500)}","b":oops,"c":"${'y'.repeat(500)}"}`;
  const told = jsonFault(long);
  expect(told).toMatch(/^received …".*\\"b\\":oops,.*"… \(fault at character 513 of 1024\)$/);
  expect(told.length).toBeLessThan(280);
});

test('the fault lies where JSON.parse stops, for any text', () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"',
    '\\',
    '\\u00e9',
    '1',
    '-',
    '01',
    '1.5e3',
    '1.',
    'true',
    'nul',
    'null',
    ' ',
    '\n',
    'x',
    '\u0001',
  ];
  let told = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (drawn) => {
      const text = drawn.join('');
      let expected: number | null = null;
      try {
        JSON.parse(text);
        return;
      } catch (error) {
        const at = /at position (\d+)/.exec((error as Error).message);
        if (at !== null) expected = Number(at[1]);
        else if ((error as Error).message.includes('end of JSON input')) expected = text.length;
      }
      if (expected === null || text === '') return;
      told += 1;
      const padded = `${text}${' '.repeat(201)}`;
      const shown = /fault at character (\d+)/.exec(jsonFault(padded))?.[1];
      // What ends too early here goes on with spaces there; of a word or number that breaks off, the beginning is told.
      if (expected >= text.length) return;
      const at = Number(shown) - 1;
      expect([text, at <= expected && /^[-\w.\\]*$/.test(text.slice(at, expected))]).toEqual([text, true]);
    }),
    { seed, numRuns: 5000 },
  );
  expect(told).toBeGreaterThan(1000);
});

test('a long text beside NaN is no matter', () => {
  const long = `{"id":1,"note":"${'\\n'.repeat(3_000_000)}","x":NaN}`;
  expect(reasons(long)).toEqual(['x: expected a number, received NaN; a value that is not known is null']);
});

test('a text that is nested as deeply as it is long has its fault as well', () => {
  const deep = `{"id":9007199254740993,"x":1,"list":${'['.repeat(450_000)}${']'.repeat(450_000)}}`;
  expect(reasons(deep)[0]).toMatch(/^id: expected a 64-bit integer, received 9007199254740992; /);
  expect(reasons(deep.replace('9007199254740993', 'NaN'))).toHaveLength(1);
  expect(jsonFault('['.repeat(1_000_000))).toContain('(fault at character 1000001 of 1000000)');
});
