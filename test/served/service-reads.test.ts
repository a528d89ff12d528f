import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldPlan } from '../../engine/contract/field-plan.ts';
import type { FeatureLayout } from '../../engine/define/view-layout.ts';
import { readKeyText, isSampled } from '../../engine/served/sampled.ts';
import type { ReadToLog } from '../../engine/served/read-encoder.ts';
import { LoggedRead } from '../../engine/served/served-read.ts';
import { servedSource } from '../../engine/served/served-source.ts';
import { ServiceReadDecoder } from '../../engine/served/service-read.ts';
import { type LoggedService, ownToLog, type ServiceRead, serviceToLog } from '../../engine/served/service-to-log.ts';
import { ServingLog, type ServingLogOptions } from '../../engine/served/serving-log.ts';
import { type Cell, CellError } from '../../engine/values/cell.ts';
import { splitCells } from '../../engine/values/feature-errors.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import { scalarTypes, typeName, valuesOf } from '../laws/arbitraries.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { ScriptedWriter } from './scripted-writer.ts';

const source = servedSource('served');
const airport = { name: 'traffic', layout: { keys: [{ name: 'airport', type: { kind: 'string' } }] } } as const;

function fieldsOf(types: Readonly<Record<string, ScalarType>>): Pick<FieldPlan, 'spec'>[] {
  return Object.entries(types).map(([name, type]) => ({ spec: { name, type, nullable: true, optional: true } }));
}

const model: LoggedService = {
  name: 'model',
  blocks: [
    { name: 'from', view: airport, columns: ['origin'] },
    { name: 'to', view: airport, columns: ['destination'] },
  ],
  request: fieldsOf({
    seats: { kind: 'int' },
    note: { kind: 'string' },
    price: { kind: 'decimal', precision: 6, scale: 2 },
    code: { kind: 'int64' },
    scheduled: { kind: 'timestamp' },
  }),
  derived: [
    { name: 'ratio', type: { kind: 'double' } },
    { name: 'told', type: { kind: 'list', item: { kind: 'int64' } } },
    { name: 'hour', type: { kind: 'int' } },
  ],
  derivedTag: 'tag-1',
};

const noFeatures: readonly FeatureLayout[] = [];

function readOf(asOfUs = 1_000_000): ReadToLog {
  const { layout } = airport;
  return {
    view: 'traffic',
    version: 3,
    fingerprint: 'ab',
    keys: layout.keys,
    features: noFeatures,
    values: [],
    errors: null,
    found: true,
    asOfUs,
    ahead: false,
    seq: 1,
    commitId: '7',
  };
}

function entry(
  keys: readonly [string, string],
  request: ServiceRead['request'],
  derived: ServiceRead['derived'],
): ServiceRead {
  return { reads: [readOf(), readOf()], keys: keys.map((key) => [key]), request, derived, atUs: 1_000_000 };
}

async function written(
  offer: (log: ServingLog) => void,
  more: Partial<ServingLogOptions> = {},
): Promise<{ readonly texts: string[]; readonly reads: LoggedRead[]; readonly log: ServingLog }> {
  const writer = new ScriptedWriter();
  const log = new ServingLog({ writer, topic: 'served', clock: testClock, logId: 'log', sample: 1, ...more });
  offer(log);
  await log.close();
  const texts = writer.written.map(({ value }) => Buffer.from(value).toString());
  const reads = texts.map((text) => {
    const decoded = source.contract.decodeJson(Buffer.from(text));
    if (!decoded.ok) throw new Error(decoded.reasons.join('; '));
    return new LoggedRead(decoded.row);
  });
  return { texts, reads, log };
}

const asked = { seats: 180, note: 'a "b"\n\u0001', price: '12.50', code: 9007199254740993n, scheduled: 1_500_000 };
const derived = { values: [0.1, '["1","9007199254740993"]', null], errors: { hour: 'derived-failed' } } as const;

describe('the record of a service', () => {
  test('is these very bytes', async () => {
    const { texts, log } = await written((to) =>
      to.offerService('r-1', serviceToLog(model), [entry(['LAS', 'PHL'], asked, derived)]),
    );
    const servedAt = (JSON.parse(texts[2]!) as { served_at: string }).served_at;
    expect(texts.slice(0, 2).map((text) => JSON.parse(text) as unknown)).toMatchObject([
      { view: 'traffic', service: 'model', role: 'from', entity: '{"airport":"LAS"}' },
      { view: 'traffic', service: 'model', role: 'to', entity: '{"airport":"PHL"}' },
    ]);
    expect(texts.slice(0, 2).some((text) => text.includes('"request"'))).toBe(false);
    expect(texts[2]).toBe(
      String.raw`{"read_id":"log-2","request_id":"r-1","service":"model","view":"model","version":0,"fingerprint":"tag-1",` +
        String.raw`"entity":"{\"origin\":\"LAS\",\"destination\":\"PHL\"}","served_at":"${servedAt}","as_of":"1970-01-01T00:00:01.000000Z",` +
        String.raw`"found":true,"ahead":false,"seq":null,"commit_id":null,` +
        String.raw`"values":"{\"ratio\":0.1,\"told\":[\"1\",\"9007199254740993\"],\"hour\":null}","errors":"{\"hour\":\"derived-failed\"}",` +
        String.raw`"request":"{\"code\":\"9007199254740993\",\"note\":\"a \\\"b\\\"\\n\\u0001\",\"price\":\"12.50\",\"scheduled\":\"1970-01-01T00:00:01.500000Z\",\"seats\":180}",` +
        String.raw`"types":"{\"request\":{\"code\":\"int64\",\"note\":\"string\",\"price\":\"decimal(6,2)\",\"scheduled\":\"timestamp\",\"seats\":\"int\"},\"derived\":{\"ratio\":\"double\",\"told\":\"list of int64\",\"hour\":\"int\"}}"}`,
    );
    expect(log.figures.logged).toBe(3);
  });

  test('is there for a service that only asks, or only derives, and not for one that does neither', async () => {
    const { request, derived: plans, ...plain } = model;
    const records = async (service: LoggedService, own: ServiceRead['derived']): Promise<LoggedRead[]> =>
      (await written((to) => to.offerService('r', serviceToLog(service), [entry(['a', 'b'], {}, own)]))).reads.slice(2);
    expect(await records(plain, null)).toEqual([]);
    expect(await records({ ...plain, derived: plans }, { values: [1, null, 2], errors: null })).toMatchObject([
      { requestJson: '{}', valuesJson: '{"ratio":1,"told":null,"hour":2}', errorsJson: null },
    ]);
    expect(await records({ ...plain, request }, null)).toMatchObject([
      { requestJson: '{"code":null,"note":null,"price":null,"scheduled":null,"seats":null}', valuesJson: '{}' },
    ]);
  });

  test('is kept with any read of its views, and with no sample of its own', async () => {
    const sample = 0.3;
    const places = Array.from({ length: 40 }, (_, n) => [`a${n}`, `b${n}`] as const);
    const { reads } = await written(
      (to) =>
        to.offerService(
          'r',
          serviceToLog(model),
          places.map((keys) => entry(keys, {}, { values: [1, null, 2], errors: null })),
        ),
      { sample },
    );
    const kept = places.filter((keys) => keys.some((key) => isSampled(readKeyText('traffic', key), sample)));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(places.length);
    expect(reads.filter(({ view }) => view === 'model').map(({ entityJson }) => entityJson)).toEqual(
      kept.map(([origin, destination]) => JSON.stringify({ origin, destination })),
    );
  });

  test('that is larger than a record may be is dropped and counted, and the reads of its views are not', async () => {
    const { reads, log } = await written((to) =>
      to.offerService('r', serviceToLog(model), [entry(['a', 'b'], { note: '\u0001'.repeat(150_000) }, derived)]),
    );
    expect(reads.map(({ view }) => view)).toEqual(['traffic', 'traffic']);
    expect(log.figures).toMatchObject({ logged: 2, dropped: { 'too-large': 1 }, buffered: 0 });
  });

  test('counts what the caller gave as what is held of the heap', async () => {
    const { reads, log } = await written(
      (to) => {
        for (const id of ['one', 'two'])
          to.offerService(id, serviceToLog(model), [entry(['a', 'b'], { note: 'x'.repeat(3_000) }, derived)]);
      },
      { maxBufferedBytes: 10_000 },
    );
    expect(reads.filter(({ view }) => view === 'model').map(({ requestId }) => requestId)).toEqual(['one']);
    expect(log.figures).toMatchObject({ logged: 5, dropped: { 'buffer-full': 1 }, buffered: 0 });
  });
});

describe('what is read of it', () => {
  const decoderOf = (service: LoggedService): ServiceReadDecoder => new ServiceReadDecoder(ownToLog(service)!);

  test('is what was given and derived, to the bit, of every type', async () => {
    const typed = fc
      .constantFrom(...scalarTypes)
      .chain((type) => fc.record({ type: fc.constant(type), value: fc.option(valuesOf(type), { nil: null }) }));
    const cell = typed.chain(({ type, value }) =>
      fc.record({ type: fc.constant(type), cell: fc.constantFrom<Cell>(value, value, CellError.of('input-error')) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(typed, { maxLength: 5 }),
        fc.array(cell, { minLength: 1, maxLength: 5 }),
        async (given, cells) => {
          const service: LoggedService = {
            ...model,
            request: fieldsOf(Object.fromEntries(given.map(({ type }, n) => [`f${n}`, type]))),
            derived: cells.map(({ type }, n) => ({ name: `d${n}`, type })),
          };
          const request = Object.fromEntries(given.map(({ value }, n) => [`f${n}`, value]));
          const own = splitCells(
            service.derived!,
            cells.map((each) => each.cell),
          );
          const { reads } = await written((to) =>
            to.offerService('r', serviceToLog(service), [entry(['a', 'b'], request, own)]),
          );
          const values = decoderOf(service).read(reads[2]!);
          expect(values.key).toEqual(['a', 'b']);
          for (const [n, { type, value }] of given.entries())
            expect(Object.is(values.request[n], value), `${typeName(type)} ${String(value)}`).toBe(true);
          for (const [n, each] of cells.entries())
            expect(Object.is(values.derived[n], each.cell), `${typeName(each.type)}, cell ${n}`).toBe(true);
        },
      ),
      lawRuns(300),
    );
  });

  test('leaves out what was of another type, or was not there, by the types of the record', async () => {
    const { reads } = await written((to) =>
      to.offerService('r', serviceToLog(model), [entry(['LAS', 'PHL'], asked, derived)]),
    );
    const now: LoggedService = {
      ...model,
      request: fieldsOf({
        seats: { kind: 'double' },
        code: { kind: 'string' },
        note: { kind: 'string' },
        late: { kind: 'int' },
      }),
      derived: [
        { name: 'hour', type: { kind: 'double' } },
        { name: 'ratio', type: { kind: 'double' } },
        { name: 'more', type: { kind: 'int' } },
      ],
    };
    // Fields by name: code, late, note, seats.
    expect(decoderOf(now).read(reads[2]!)).toEqual({
      key: ['LAS', 'PHL'],
      derived: [undefined, 0.1, undefined],
      request: [undefined, undefined, asked.note, undefined],
    });
    const elsewhere: LoggedService = { ...model, blocks: [{ name: 'from', view: airport, columns: ['place'] }] };
    expect(decoderOf(elsewhere).read(reads[2]!).key).toEqual([undefined]);
  });

  test('is refused where it is not what the record says of itself', async () => {
    const { texts } = await written((to) =>
      to.offerService('r', serviceToLog(model), [entry(['LAS', 'PHL'], asked, derived)]),
    );
    const record = JSON.parse(texts[2]!) as object;
    const other = (more: object) => (): unknown => {
      const decoded = source.contract.decodeJson(Buffer.from(JSON.stringify({ ...record, ...more })));
      if (!decoded.ok) throw new Error(decoded.reasons.join('; '));
      return decoderOf(model).read(new LoggedRead(decoded.row));
    };
    const mismatch = expect.objectContaining({ code: 'served-read-mismatch' });
    expect(other({ request: '{"seats":"many"}' })).toThrow(mismatch);
    expect(other({ request: 'seats' })).toThrow(mismatch);
    expect(other({ errors: '{"ratio":"derived-failed"}' })).toThrow(mismatch);
    expect(other({ errors: '{"hour":"no-such-error"}' })).toThrow(mismatch);
  });
});
