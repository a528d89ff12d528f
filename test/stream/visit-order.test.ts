import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { lawRuns, lawSeed, lawTimeoutMs } from '../laws/law-seed.ts';
import { randomVisits } from '../oracle/random-visits.ts';
import { isoOf, type RawVisit, type VisitLog } from '../oracle/visits.ts';
import { type BuiltVisits, expectOutcomes, openVisitBuilder, oracleOf, type VisitBuilder } from './visit-versions.ts';

/*
 * The law of design §5: a log in event-time order gives the same states, byte for byte, and the same counts, as files, as a topic of one
 * partition, and as any split of the two.
 */

let builder: VisitBuilder;
beforeAll(async () => {
  builder = await openVisitBuilder(inject('stack').databaseUrl);
});
afterAll(() => builder.close());

type Row = Exclude<RawVisit, string>;
const LATER_US = Date.UTC(2027, 0, 1) * 1000;

/** Rows in the order of their times; those that have none stay where they are drawn. */
const orderedRows = randomVisits({
  historyRows: 60,
  topicRecords: 0,
  partitions: 1,
  settings: { untilUs: null, maxAheadUs: 3_600_000_000, brokerTime: 'record' },
})
  .filter(({ settings }) => settings.idKind !== 'none')
  .map((log) => ({
    settings: log.settings,
    rows: log.files
      .flatMap(({ rows }) => rows as readonly Row[])
      .filter(({ at }) => at === null || at < '2090')
      .toSorted((a, b) => ((a.at ?? '') < (b.at ?? '') ? -1 : (a.at ?? '') > (b.at ?? '') ? 1 : 0)),
  }));

interface Split {
  /** Rows that are history's, in files of so many. */
  readonly history: number;
  readonly perFile: number;
  /** Of the topic's records, those that the batch reads. */
  readonly cut: number;
}

function splitLog(settings: VisitLog['settings'], rows: readonly Row[], { history, perFile }: Split): VisitLog {
  const files: { name: string; rows: readonly Row[] }[] = [];
  for (let from = 0; from < history; from += perFile) {
    const name = `part-${String(files.length).padStart(3, '0')}`;
    files.push({ name, rows: rows.slice(from, Math.min(from + perFile, history)) });
  }
  return {
    settings,
    gUs: LATER_US,
    files,
    firstPartitions: 1,
    steps: rows.slice(history).map((value) => ({ partition: 0, brokerTimeUs: LATER_US, value })),
  };
}

const splits = fc.record({ history: fc.nat(1000), perFile: fc.integer({ min: 1, max: 60 }), cut: fc.nat(1000) });

test(
  `a log in event-time order is the same as files, as a topic, and as any split (seed ${lawSeed})`,
  async () => {
    await fc.assert(
      fc.asyncProperty(
        orderedRows,
        fc.array(splits, { minLength: 2, maxLength: 2 }),
        async ({ settings, rows }, drawn) => {
          const share = (of: number, length: number) => Math.round((of / 1000) * length);
          const variants: Split[] = [
            { history: rows.length, perFile: 7, cut: 0 },
            { history: 0, perFile: 1, cut: rows.length },
            { history: 0, perFile: 1, cut: 0 },
            ...drawn.map(({ history, perFile, cut }) => {
              const first = share(history, rows.length);
              return { history: first, perFile, cut: share(cut, rows.length - first) };
            }),
          ];
          let first: BuiltVisits | null = null;
          for (const [index, variant] of variants.entries()) {
            const log = splitLog(settings, rows, variant);
            const built = await builder.build(log, await builder.write(log, index % 2 === 0 ? 'parquet' : 'jsonl'), [
              variant.cut,
            ]);
            first ??= built;
            expectOutcomes(built, oracleOf(log));
            expect({ states: built.states, counts: built.counts }).toEqual({
              states: first.states,
              counts: first.counts,
            });
          }
        },
      ),
      { ...lawRuns(12), endOnFailure: true },
    );
  },
  lawTimeoutMs(300_000),
);

test(
  `so it is where both hold all of it and until says what counts (seed ${lawSeed})`,
  async () => {
    await fc.assert(
      fc.asyncProperty(orderedRows, fc.nat(1000), async ({ settings, rows }, share) => {
        const timed = rows.filter(({ at }) => at !== null);
        const until = timed[Math.round((share / 1000) * timed.length)]?.at ?? isoOf(LATER_US);
        const untilUs = Date.parse(`${until.slice(0, 19)}Z`) * 1000 + Number(until.slice(20, 26));
        const whole = splitLog(settings, rows, { history: rows.length, perFile: 60, cut: 0 });
        const files = await builder.build(whole, await builder.write(whole, 'jsonl'), [0]);
        const { steps } = splitLog(settings, rows, { history: 0, perFile: 1, cut: 0 });
        const both: VisitLog = { ...whole, settings: { ...settings, untilUs }, steps };
        const built = await builder.build(both, await builder.write(both, 'parquet'), [Math.round(rows.length / 2)]);
        expectOutcomes(built, oracleOf(both));
        expect(built.states).toEqual(files.states);
      }),
      { ...lawRuns(8), endOnFailure: true },
    );
  },
  lawTimeoutMs(300_000),
);
