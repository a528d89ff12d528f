/** The oracle of a log against cases whose answers were derived by hand from design §5 and §7. */
import { describe, expect, test } from 'vitest';
import type { OracleScalar } from './order.ts';
import { knownIds, type OracleLog, type OracleSource, oracleLog, overlaps } from './source-log.ts';

interface Row {
  readonly id: OracleScalar;
  readonly t: number;
}

/** Times are small whole numbers; the horizon is 10, nothing may be more than 5 ahead. */
const SOURCE: OracleSource<Row> = {
  decode: (value) => (value === 'bad' ? { invalid: 'contract' } : { row: value as Row }),
  eventTimeUs: ({ t }) => t,
  eventId: ({ id }) => id,
  untilUs: null,
  horizonUs: 10,
  maxAheadUs: 5,
  withoutBrokerTime: false,
};

const LATER = 1_000_000;

/** `'a@5'` is the id a at time 5; `'a@5/2'` the same with the broker's timestamp 2, `'a@5/-'` without one. */
function record(text: string, offset: number) {
  if (text === 'null') return { offset, brokerTimeUs: LATER, value: null };
  if (text === 'bad') return { offset, brokerTimeUs: LATER, value: text };
  const [, id, t, broker] = /^(\w+)@(-?\d+)(?:\/(.+))?$/.exec(text)!;
  const brokerTimeUs = broker === undefined ? LATER : broker === '-' ? null : Number(broker);
  return { offset, brokerTimeUs, value: { id, t: Number(t) } };
}

function log(files: Record<string, string>, partitions: readonly string[] = [], gUs = LATER): OracleLog {
  return {
    gUs,
    files: Object.entries(files).map(([name, rows]) => ({
      name,
      rows: rows.split(' ').map((text) => record(text, 0).value),
    })),
    partitions: partitions.map((records, partition) => ({ partition, records: records.split(' ').map(record) })),
  };
}

const LETTERS = { event: 'E', duplicate: 'D', invalid: 'I', 'outside-until': 'O', tombstone: 'T' } as const;

/** Outcomes as letters, history by position, then the partitions; an undeduped event is `U`. */
function outcomes(source: Partial<OracleSource<Row>>, of: OracleLog): string {
  const { steps } = oracleLog({ ...SOURCE, ...source }, of);
  const runs = Map.groupBy(steps, ({ partition }) => partition);
  return [...runs.values()]
    .map((run) => run.map(({ outcome, undeduped }) => (undeduped ? 'U' : LETTERS[outcome])).join(''))
    .join(' ');
}

describe('one partition', () => {
  test.for([
    // Claimed at 0, horizon 10: 10 is at most 0 + 10, 11 is not; it claims anew at 11.
    ['the horizon is inclusive', 'a@0 a@10 a@0', 'EDD'],
    ['one past it claims anew', 'a@0 a@11 a@21 a@22', 'EEDE'],
    // A duplicate does not renew the claim: 5 repeats 0, and 11 is measured against 0.
    ['a duplicate renews nothing', 'a@0 a@5 a@11', 'EDE'],
    // The watermark decides though the record's own time is old: 11 > 0 + 10. At 0 it is not older than 11 − 10 = 1? It is: 0 < 1.
    ['the watermark before it decides', 'a@0 b@11 a@0', 'EEU'],
    ['a watermark exactly at the horizon', 'a@0 b@10 a@0', 'EED'],
    // Its own time raises the watermark only for what comes after: here max(5, 11) = 11 > 10.
    ['its own time decides too', 'a@0 b@5 a@11', 'EEE'],
    // Watermark 20 − 10 = 10: 10 can still be judged, 9 cannot.
    ['older than watermark − horizon', 'x@20 a@10 b@9', 'EEU'],
    // Claims of the past are outlived at once: 20 > 9 + 10, so every repeat claims anew and none can be judged.
    ['an old claim holds nothing back', 'x@20 b@9 b@9 b@9', 'EUUU'],
    // A claim at 25 reaches to 35. A repeat at 5 is older than 30 − 10, but it is recognised: a duplicate, and not undeduped.
    ['an old repeat of a living claim', 'a@25 b@30 a@5', 'EED'],
    // Claimed at 5 while the watermark is 15: the claim reaches to 15, inclusive; after 16 no more.
    ['a late claim', 'x@15 a@5 a@5 y@16 a@5', 'EEDEU'],
    // The re-claim at an older time replaces the newer: 21 > 0 + 10 and 21 > 10 + 10, so at last nothing holds.
    ['a re-claim takes the new time', 'a@0 x@21 a@11 a@11 x2@22 a@11', 'EEEDEU'],
    ['conflicting ids of their own', 'a@0 b@0 a@0', 'EED'],
    ['tombstones and invalid records move nothing', 'a@0 null bad a@0', 'ETID'],
  ])('%s', ([, records, expected]) => {
    expect(outcomes({}, log({}, [records!]))).toBe(expected);
  });

  test('without an id nothing is a duplicate, nor undeduped', () => {
    expect(outcomes({ eventId: null }, log({}, ['a@0 a@0 x@99 a@0']))).toBe('EEEE');
  });

  test('a record ahead of its broker is stopped before it moves anything', () => {
    // 100 is ahead of 20 + 5: the watermark stays 0, so that a@0 is still a duplicate.
    expect(outcomes({}, log({}, ['a@0 x@100/20 a@0']))).toBe('EID');
    // Exactly as far as allowed: it counts, and the watermark of 25 has outlived the claim.
    expect(outcomes({}, log({}, ['a@0 x@25/20 a@0']))).toBe('EEU');
    expect(outcomes({}, log({}, ['a@0 x@26/20 a@0']))).toBe('EID');
    expect(outcomes({ maxAheadUs: null }, log({}, ['a@0 x@100/20 a@0']))).toBe('EEU');
  });

  test('a record without a broker timestamp', () => {
    expect(outcomes({}, log({}, ['a@0/- b@1/2 b@1/-']))).toBe('IEI');
    expect(outcomes({ withoutBrokerTime: true }, log({}, ['a@0/- b@99/2 b@99/-']))).toBe('EIE');
    expect(outcomes({ maxAheadUs: null }, log({}, ['a@0/-']))).toBe('E');
  });

  test('a broken record without a broker timestamp is named by its contract', () => {
    const broken = { offset: 0, brokerTimeUs: null, value: 'bad' };
    const { steps } = oracleLog(SOURCE, { ...log({}), partitions: [{ partition: 0, records: [broken] }] });
    expect(steps[0]).toMatchObject({ outcome: 'invalid', reason: 'contract' });
  });
});

describe('history', () => {
  test.for([
    // By time 0, 5, 11: 5 repeats 0, 11 claims anew, whatever the rows' places.
    ['rows of a file in any order', { f: 'a@11 a@5 a@0' }, 'EDE'],
    ['files in any order', { g: 'a@0', f: 'a@5' }, 'DE'],
    // One time: the first file by name wins, and in it the first row.
    ['ties by file name', { g: 'a@0 b@0', f: 'b@0 b@0' }, 'EDED'],
    ['file names by UTF-8 bytes', { '\u{1F600}': 'a@0', '\uFFFD': 'a@0' }, 'ED'],
    // 5 days later is past the horizon: it counts again.
    ['again past the horizon', { f: 'a@0 a@50' }, 'EE'],
    ['G + maxAhead is allowed', { f: 'a@25 b@26 bad' }, 'EII', 20],
    ['a row of 2099 moves nothing', { f: 'x@2099 a@0 a@10' }, 'IED', 20],
  ] as const)('%s', ([, files, expected, gUs]) => {
    expect(outcomes({}, log(files, [], gUs))).toBe(expected);
  });

  test('no row of history is undeduped: its order is the order of time', () => {
    expect(outcomes({}, log({ f: 'x@100 a@0 a@0 b@50 b@0' }))).toBe('EEDEE');
  });

  test('every partition starts at its final watermark with its ids', () => {
    // a was claimed at 95: known until 105. b at 80: 100 > 90, so it is forgotten, and at 80 it cannot be judged.
    const files = { f: 'b@80 a@95 x@100' };
    expect(outcomes({}, log(files, ['a@95 b@80 a@106', 'a@105 a@95 c@200']))).toBe('EEE DUE DDE');
    // A partition added later starts the same: what partition 0 did is nothing to it.
    expect(outcomes({}, log(files, ['z@5000', 'a@95']))).toBe('EEE E D');
  });

  test('its known ids and watermark', () => {
    const { history, progress } = oracleLog(SOURCE, log({ f: 'b@80 a@95 x@100 y@90' }, ['z@107']));
    expect(history.watermarkUs).toBe(100);
    expect([...knownIds(history, 10)]).toEqual([
      ['y', 90],
      ['a', 95],
      ['x', 100],
    ]);
    expect([...knownIds(progress.get(0)!, 10)].map(([id]) => id)).toEqual(['x', 'z']);
    expect(progress.get(-1)).toBe(history);
  });

  test('of nothing leaves the partitions without a watermark', () => {
    expect(oracleLog(SOURCE, log({ f: 'bad' }, ['a@-7'])).progress.get(0)!.watermarkUs).toBe(-7);
  });
});

describe('until', () => {
  const until = { untilUs: 100 };

  test('history counts before it, the topic from it on', () => {
    expect(outcomes(until, log({ f: 'a@99 b@100 c@101' }, ['d@99 e@100 f@101']))).toBe('EOO OEE');
  });

  test('what it stops moves no watermark and claims no id', () => {
    // The altered rows lie up to 50 past until: they neither raise the watermark that starts the topic, nor claim b.
    expect(outcomes(until, log({ f: 'a@99 x@150 b@101' }, ['a@100 a@109 b@101 b@101']))).toBe('EOO DDED');
    // On the topic likewise: y@99 (outside) claims nothing, and a watermark of 99 is not its doing.
    expect(outcomes(until, log({}, ['y@99 y@100 y@110']))).toBe('OED');
  });

  test('a row of 2099 is ahead before it is outside', () => {
    expect(outcomes(until, log({ f: 'a@99 x@2099' }, ['a@100'], 200))).toBe('EI D');
    expect(outcomes({ ...until, maxAheadUs: null }, log({ f: 'a@99 x@2099' }, ['a@100'], 200))).toBe('EO D');
    // Inside until, without a guard, it raises the watermark for all: nothing can be judged any more.
    expect(outcomes({ untilUs: 3000, maxAheadUs: null }, log({ f: 'a@99 x@2099' }, ['a@3000']))).toBe('EE E');
    expect(outcomes({ maxAheadUs: null }, log({ f: 'a@99 x@2099' }, ['a@100']))).toBe('EE U');
  });
});

describe('overlap', () => {
  test.for([
    [{}, { f: 'a@99' }, 'b@100', false],
    [{}, { f: 'a@100' }, 'b@100', false],
    [{}, { f: 'a@101' }, 'b@100', true],
    // What is stopped on the way is no overlap.
    [{}, { f: 'a@101' }, 'bad b@102', false],
    [{ untilUs: 100 }, { f: 'a@101' }, 'b@99 b@100', false],
    [{}, { f: 'bad' }, 'b@0', false],
    // A late record is not the beginning; a duplicate may be.
    [{}, { f: 'a@100' }, 'b@100 c@99', false],
    [{}, { f: 'a@101' }, 'null bad a@99', true],
  ] as const)('%j %j %s: %s', ([source, files, records, expected]) => {
    expect(overlaps(oracleLog({ ...SOURCE, ...source }, log(files, [records])))).toBe(expected);
  });
});
