/**
 * The memory table: what each piece of work takes of memory at most, beside the setting, each in a process of its own that is started as a worker is.
 * A row is within its setting when its peak RSS is at most 400 MB more. Prints a table, and as its last line one JSON object.
 * Usage: node bench/memory.ts [--short] [--strict] [--at 1024,4096] [ROW …]; --short: a tenth of the work, at 768 MB; --strict: exit code 1 where a row
 * misses. Inputs of the history are kept in $TMPDIR/millrace-bench-memory and used again. Uses the services of DATABASE_URL and KAFKA_BROKERS, else starts them.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startTestStack } from '../stack/test-stack.ts';
import { type MemoryScale, writeMemoryInputs } from '../test/memory/memory-inputs.ts';
import { produceTopics, type StreamScale } from './memory/stream-topics.ts';
import { type RowFigures, TABLE_ROWS } from './memory/table-rows.ts';

/** The idle base included. */
const BESIDE_MB = 400;

interface Scale {
  readonly history: MemoryScale;
  readonly topics: StreamScale;
  readonly settings: readonly number[];
}

const SCALES: Readonly<Record<'whole' | 'short', Scale>> = {
  whole: {
    history: { rows: 20_000_000, entities: 1_000_000, labels: 1_000_000 },
    topics: { entities: 1_000_000, records: 2_500_000, large: 10_000 },
    settings: [1024, 4096],
  },
  short: {
    history: { rows: 2_000_000, entities: 100_000, labels: 100_000 },
    topics: { entities: 100_000, records: 250_000, large: 1_000 },
    settings: [768],
  },
};

interface Measured extends RowFigures {
  readonly row: string;
  readonly settingMb: number;
  readonly isWithin: boolean;
}

const FAILED: RowFigures = { rssMb: 0, anonMb: 0, seconds: 0, did: 'FAILED' };

function print(measured: readonly Measured[]): void {
  const table = new Table({
    head: ['', 'setting', 'peak RSS', 'beside it', 'RssAnon', 's', 'did', ''],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left', 'left'],
  });
  for (const { row, settingMb, rssMb, anonMb, seconds, did, isWithin } of measured)
    table.push([row, settingMb, rssMb, rssMb - settingMb, anonMb, seconds, did, isWithin ? '' : 'MISSES']);
  process.stdout.write(`${table.toString()}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean' }, strict: { type: 'boolean' }, at: { type: 'string' } },
});
const unknown = positionals.filter((name) => !TABLE_ROWS.has(name));
if (unknown.length > 0)
  throw new Error(`no row "${unknown.join('", "')}"; there are "${[...TABLE_ROWS.keys()].join('", "')}"`);
const scale = SCALES[values.short === true ? 'short' : 'whole'];
const settings = values.at?.split(',').map(Number) ?? scale.settings;
const rows = [...TABLE_ROWS].filter(([name]) => positionals.length === 0 || positionals.includes(name));
const ofTopics = rows.some(([, { needsKafka }]) => needsKafka);
const folder = join(tmpdir(), 'millrace-bench-memory', String(scale.history.rows));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const { DATABASE_URL, KAFKA_BROKERS } = process.env;
const stack = DATABASE_URL === undefined || KAFKA_BROKERS === undefined ? await startTestStack(say) : null;
const brokers = stack?.kafka.brokers ?? KAFKA_BROKERS!.split(',');
const databaseUrl = stack?.databaseUrl ?? DATABASE_URL!;
const measured: Measured[] = [];
const startedMs = performance.now();
try {
  if (rows.some(([, { needsKafka }]) => !needsKafka)) await writeMemoryInputs(folder, scale.history);
  if (ofTopics) await produceTopics(brokers, scale.topics);
  say(`inputs: ${Math.round((performance.now() - startedMs) / 1000)} s`);
  for (const settingMb of settings) {
    for (const [row, { run }] of rows) {
      const figures = (await run({ folder, databaseUrl, brokers }, settingMb)) ?? FAILED;
      const isWithin = figures !== FAILED && figures.rssMb <= settingMb + BESIDE_MB;
      measured.push({ row, settingMb, ...figures, isWithin });
      say(`${row} at ${settingMb} MB: ${JSON.stringify(figures)}`);
    }
  }
} finally {
  await stack?.stop();
}
print(measured);
const seconds = Math.round((performance.now() - startedMs) / 1000);
process.stdout.write(`${JSON.stringify({ bench: 'memory', ...scale, settings, seconds, measured })}\n`);
if (values.strict === true && measured.some(({ isWithin }) => !isWithin)) process.exitCode = 1;
