import { entity, featureService, featureView, source } from 'millrace';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { derivedCodeOf } from '../../engine/define/derived-code.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { DerivedRecords } from '../../engine/parity/derived-records.ts';
import type { ServedRead } from '../../engine/served/served-read.ts';

const landings = source('landings', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), airport: z.string() }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'landings',
});
const traffic = featureView('traffic', {
  entity: entity('airport', { airport: z.string() }),
  source: landings,
  features: (f) => ({ n_1d: f.count().over('1d') }),
});
const model = featureService('model', {
  views: [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })],
  derived: (d) => ({ summed: d.int(({ from, to }) => from.n_1d + to.n_1d) }),
});

let parsed = 0;
function readOf(view: string, role: string | null, entityOf: object, values: object, more: object = {}): ServedRead {
  const read = {
    readId: '1',
    requestId: 'one',
    service: 'model',
    view,
    role,
    version: 1,
    fingerprint: '',
    servedAtUs: 0,
    asOfUs: 0,
    found: true,
    ahead: false,
    seq: 1,
    commitId: null,
    valuesJson: JSON.stringify(values),
    errorsJson: null,
    requestJson: null,
    typesJson: null,
    features: Object.keys(values),
    ...more,
  };
  const text = JSON.stringify(entityOf);
  return {
    ...read,
    get entityJson() {
      parsed++;
      return text;
    },
  };
}

test('a request of many entities has each of its reads looked at once, and each record is made of its own', async () => {
  const definitions = await compileDefinitions(definitionsInMemory([traffic, model], process.cwd()));
  const { fingerprint, layout } = definitions.views.get('traffic')!;
  const records = new DerivedRecords(
    'model',
    derivedCodeOf(definitions.services.get('model')!),
    () => new Map([[fingerprint, layout]]),
  );
  const count = 50;
  const numbers = Array.from({ length: count }, (_, n) => n);
  const read = (role: string, n: number, value: number): ServedRead =>
    readOf('traffic', role, { airport: `a${n}` }, { n_1d: value }, { fingerprint });
  const reads = numbers.flatMap((n) => [read('from', n, n), read('to', n, 1000 * n), read('to', n, 1000 * n)]);
  const own = numbers.map((n) =>
    readOf(
      'model',
      null,
      { origin: `a${n}`, destination: `a${count - 1 - n}` },
      { summed: 0 },
      { requestJson: '{}', typesJson: '{"request":{},"derived":{"summed":"int"}}' },
    ),
  );
  parsed = 0;
  const found = own.map((record) => records.recompute(record, reads));
  expect(found.map((one) => (typeof one === 'string' ? one : one.expected))).toEqual(
    numbers.map((n) => [n + 1000 * (count - 1 - n)]),
  );
  expect(parsed).toBe(reads.length + own.length);
  const other = [...reads, read('to', 7, 1)];
  expect(records.recompute(own[count - 1 - 7]!, other)).toBe('request-ambiguous');
  expect(records.recompute(own[0]!, reads.slice(1))).toBe('view-read-not-logged');
});
