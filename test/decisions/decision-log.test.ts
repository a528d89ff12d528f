import { describe, expect, test, vi } from 'vitest';
import { compileSource } from '../../engine/define/compile-source.ts';
import type { Decisions } from '../../engine/define/decisions.ts';
import { source } from '../../engine/define/source.ts';
import { uuidV7 } from '../../engine/decisions/uuid-v7.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { z } from 'zod';
import { testClock } from '../stream/stream-fixture.ts';
import { clicks, departures, offer, offers, openedLog } from './said.ts';

/** Waits for a condition; the limit only ends a test that hangs. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, 60_000);
const none = { 'buffer-full': 0, 'too-large': 0, 'send-failed': 0, closed: 0, invalid: 0 };
const now = new Date(testClock.nowUs() / 1000).toISOString().replace('Z', '000Z');
const assigned = {
  rollout: 'rollout:late',
  revision: 3,
  stage: 1,
  variant: 'candidate',
  assignmentPropensity: 0.25,
  unit: 'A1',
};

describe('what is said', () => {
  test('a decision is this very record, and its id is known at once', async () => {
    const { log, writer } = openedLog();
    const id = log.decide(offers, {
      model: { name: 'late', version: 4 },
      assigned,
      requestIds: ['r-1'],
      action: 'ten-percent',
      score: 0.7,
      propensity: 0.9,
      alternatives: [{ action: 'none', propensity: 0.1, score: -1 }],
      context: { shop: 'nörth', total: 9007199254740993n, seen_at: new Date(1) },
      latencyMs: 1.5,
    });
    expect(id).toBe('id-0');
    expect(writer.written).toEqual([]);
    await log.close();
    const [{ key, value, timestampMs }] = writer.written as [(typeof writer.written)[0]];
    expect(Buffer.from(key!).toString()).toBe('id-0');
    expect(timestampMs).toBe(testClock.nowUs() / 1000);
    expect(Buffer.from(value).toString()).toBe(
      `{"decision_id":"id-0","decided_at":"${now}","request_ids":["r-1"],"reads":[],"model":"late","model_version":4,` +
        '"rollout":"rollout:late","revision":3,"stage":1,"variant":"candidate","unit":"A1","assignment_propensity":0.25,' +
        '"acted":true,"action":"ten-percent","score":0.7,"propensity":0.9,"alternatives":[{"action":"none","score":-1,"propensity":0.1}],' +
        '"more_alternatives":0,"latency_ms":1.5,"context":{"shop":"nörth","total":"9007199254740993","seen_at":"1970-01-01T00:00:00.001000Z"}}',
    );
    const { source: compiled } = compileSource(offers, '/', () => undefined);
    expect(compiled.contract.decodeJson(value)).toMatchObject({
      ok: true,
      row: { decided_at: testClock.nowUs(), context: { total: 9007199254740993n, seen_at: 1000 } },
    });
    expect(log.figures).toEqual({
      sources: { offers: { says: 'decisions', sent: 1, dropped: none, buffered: 0 } },
      variants: [{ rollout: 'rollout:late', stage: 1, variant: 'candidate', sent: 1, dropped: 0 }],
    });
  });

  test('outcomes of a decision and about an entity, each on the topic of its source, by its key', async () => {
    const { log, writer, records } = openedLog();
    expect(log.outcome(clicks, { decision: 'd-1', name: 'click', value: true, knownAt: 5 })).toBe('id-0');
    const entity = { flight: 'A1', day: '2001-06-01' };
    log.outcome(departures, { id: 'own', entity, name: 'delay', value: 12, at: new Date(7) });
    await log.close();
    expect(writer.written.map(({ key }) => Buffer.from(key!).toString())).toEqual([
      'd-1',
      '{"day":"2001-06-01","flight":"A1"}',
    ]);
    expect(records()).toEqual([
      {
        outcome_id: 'id-0',
        decision_id: 'd-1',
        name: 'click',
        value: true,
        occurred_at: now,
        known_at: '1970-01-01T00:00:00.000005Z',
      },
      { outcome_id: 'own', name: 'delay', value: 12, entity, occurred_at: '1970-01-01T00:00:00.007000Z' },
    ]);
  });

  test('of more than 100 alternatives the rest is a count', async () => {
    const { log, records } = openedLog();
    const alternatives = Array.from({ length: 130 }, (_, n) => ({ action: `a${n}`, propensity: 0.005 }));
    log.decide(offers, { ...offer, propensity: 0.35, alternatives, moreAlternatives: 2 });
    await log.close();
    expect(records()[0]).toMatchObject({ more_alternatives: 32, alternatives: alternatives.slice(0, 100) });
  });

  test('an id is a UUID of version 7', () => {
    // The example of RFC 9562, A.6.
    const random = Buffer.from('000000000000fcc3d8c4dc0c0c07398f', 'hex');
    expect(uuidV7(1_645_557_742_000, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });
});

describe('what breaks the contract is dropped as invalid, and nobody who decides fails', () => {
  test.each([
    [
      'chances that are not one',
      { ...offer, propensity: 0.5, alternatives: [{ action: 'none', propensity: 0.4 }] },
      'propensity: expected a sum of 1 with those of the alternatives, received 0.9',
    ],
    [
      'a score that is none',
      { ...offer, score: Number.NaN },
      'score: expected a number, received NaN; a value that is not known is null',
    ],
    ['a read of nobody', { ...offer, reads: [{}] }, 'reads[0]: expected a read that this client gave, as it gave it'],
    ['no context', { ...offer, context: undefined as never }, 'context: expected an object, received nothing'],
    [
      'a time that is none',
      { ...offer, at: new Date(Number.NaN) },
      'decided_at: expected an ISO datetime ending in Z, no finer than a microsecond, from 1684 to 2255, received NaN; an epoch number needs epoch(…) in the contract, with its unit',
    ],
  ])('%s', async (_, said, reason) => {
    const { log, writer, drops } = openedLog();
    expect(log.decide(offers, { ...said, id: 'd-1', assigned })).toBe('d-1');
    expect(drops).toEqual([]);
    await eventually(() => expect(drops).toHaveLength(1));
    expect(drops[0]).toMatchObject({ source: 'offers', reason: 'invalid', records: 1 });
    const { cause } = drops[0]!;
    expect(isMillraceError(cause) && [cause.code, cause.details['reasons']]).toEqual(['invalid-decision', [reason]]);
    expect(log.figures.sources['offers']?.dropped.invalid).toBe(1);
    expect(log.figures.variants).toEqual([
      { rollout: 'rollout:late', stage: 1, variant: 'candidate', sent: 0, dropped: 1 },
    ]);
    await log.close();
    expect(writer.written).toEqual([]);
  });

  test('what cannot even be looked at', async () => {
    const { log, drops } = openedLog();
    const hostile = new Proxy(offer, {
      get: () => {
        throw new Error('no');
      },
    });
    expect(log.decide(offers, hostile)).toMatch(/^id-/);
    log.outcome(clicks, null as never);
    await eventually(() => expect(drops.map(({ reason }) => reason)).toEqual(['invalid', 'invalid']));
  });

  test('not-said: records of other sources are none of its business', () => {
    const { log } = openedLog();
    const other = source('sales', { schema: z.object({ at: z.iso.datetime() }), eventTime: 'at', topic: 'sales' });
    const refused = expect.objectContaining({ code: 'not-said' }) as unknown;
    expect(() => log.decide(other as unknown as Decisions, offer as never)).toThrow(refused);
    expect(() => log.decide(clicks as unknown as Decisions, offer as never)).toThrow(refused);
  });
});

describe('a log that nobody waits for', () => {
  test('drops what does not fit, and tells whoever counts units of a variant with what it sends next', async () => {
    const { log, writer, drops, records } = openedLog({ maxBuffered: 2 });
    const against = { ...assigned, variant: 'against' };
    for (let n = 0; n < 5; n++) log.decide(offers, { ...offer, assigned, id: `d-${n}` });
    log.decide(offers, { ...offer, assigned: against, id: 'd-5' });
    await eventually(() => expect(log.figures.sources['offers']).toMatchObject({ sent: 2, buffered: 0 }));
    log.decide(offers, { ...offer, id: 'd-6' });
    await eventually(() => expect(log.figures.sources['offers']?.sent).toBe(3));
    log.decide(offers, { ...offer, assigned, id: 'd-7' });
    await log.close();
    expect(records().map((record) => [record['decision_id'], record['log_id'], record['dropped_before']])).toEqual([
      // Made into records after the others were dropped.
      ['d-0', 'log', 3],
      ['d-1', 'log', 3],
      ['d-6', undefined, undefined],
      ['d-7', 'log', 3],
    ]);
    expect(log.figures).toMatchObject({
      sources: { offers: { sent: 4, dropped: { ...none, 'buffer-full': 4 } } },
      variants: [
        { variant: 'candidate', sent: 3, dropped: 3 },
        { variant: 'against', sent: 0, dropped: 1 },
      ],
    });
    expect(drops).toEqual([{ source: 'offers', reason: 'buffer-full', records: 4, cause: undefined }]);
    expect(writer.closed).toBe(false);
  });

  test('sends the same bytes again while Kafka is away, though it dropped others meanwhile', async () => {
    const { log, writer, records } = openedLog({ maxBuffered: 1 });
    writer.script = ['written-but-away', 'away'];
    log.decide(offers, { ...offer, assigned, id: 'd-0' });
    await eventually(() => expect(writer.written).toHaveLength(1));
    log.decide(offers, { ...offer, assigned, id: 'd-1' });
    await eventually(() => expect(log.figures.sources['offers']?.sent).toBe(1));
    expect(writer.written[1]!.value).toEqual(writer.written[0]!.value);
    expect(records()[0]).not.toHaveProperty('dropped_before');
    await log.close();
  });

  test('drops what no record can hold, and gives up what Kafka refuses', async () => {
    const { log, writer, drops } = openedLog();
    log.decide(offers, { ...offer, context: { shop: 'n'.repeat(900_000), seen_at: null }, assigned });
    await eventually(() => expect(drops.map(({ reason }) => reason)).toEqual(['too-large']));
    writer.script = ['refused'];
    log.decide(offers, { ...offer, assigned });
    await eventually(() => expect(drops.map(({ reason }) => reason)).toEqual(['too-large', 'send-failed']));
    expect(log.figures.variants).toMatchObject([{ sent: 0, dropped: 2 }]);
    await log.close();
  });

  test('a close ends within its bound, each record is sent or dropped, and what is said then is dropped as such', async () => {
    const { log, writer } = openedLog({ closeForMs: 50, ownsWriter: true });
    log.decide(offers, { ...offer, assigned });
    await eventually(() => expect(log.figures.sources['offers']?.sent).toBe(1));
    writer.otherwise = 'silent';
    for (let n = 0; n < 1_500; n++) log.decide(offers, { ...offer, assigned });
    await log.close();
    expect(writer.closed).toBe(true);
    log.decide(offers, { ...offer, assigned });
    log.outcome(clicks, { decision: 'd', name: 'click', value: false });
    expect(log.figures).toEqual({
      sources: {
        offers: { says: 'decisions', sent: 1, dropped: { ...none, 'send-failed': 1_500, closed: 1 }, buffered: 0 },
        clicks: { says: 'outcomes', sent: 0, dropped: { ...none, closed: 1 }, buffered: 0 },
      },
      variants: [{ rollout: 'rollout:late', stage: 1, variant: 'candidate', sent: 1, dropped: 1_501 }],
    });
  });
});
