/**
 * `npm run bench [PART …]`: every claim beside its baseline in one run, as ratios, with peak memory. Each part is a process of its own that
 * prints its figures as one JSON object in its last line.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { startTestStack } from '../stack/test-stack.ts';

type Figures = Readonly<Record<string, unknown>>;

const PARTS = [
  'backfill',
  'training',
  'get',
  'served',
  'stream',
  'archive',
  'audit',
  'diff',
  'made-of-states',
  'loop',
  'try',
  'start',
] as const;
/** Nearly half an hour, and several GB on disk: run where it is asked for by name. */
const LONG_PARTS = ['memory'] as const;
type Part = (typeof PARTS)[number] | (typeof LONG_PARTS)[number];

function run(part: Part, env: NodeJS.ProcessEnv): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL(`./${part}.ts`, import.meta.url))], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(JSON.parse(text.trim().split('\n').at(-1) ?? '') as Figures);
      else reject(new Error(`bench/${part}.ts ended with code ${code}`));
    });
  });
}

/** Nested figures as `a.b`, one row each. */
function* rowsOf(figures: Figures, prefix = ''): Generator<[name: string, value: string]> {
  for (const [name, value] of Object.entries(figures)) {
    if (typeof value === 'object' && value !== null) yield* rowsOf(value as Figures, `${prefix}${name}.`);
    else
      yield [
        `${prefix}${name}`,
        typeof value === 'number' ? value.toLocaleString('en-US', { maximumFractionDigits: 3 }) : String(value),
      ];
  }
}

const asked = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const parts = asked.length === 0 ? PARTS : [...PARTS, ...LONG_PARTS].filter((part) => asked.includes(part));
const stack = await startTestStack((line) => process.stderr.write(`${line}\n`));
const all: Record<string, Figures> = {};
try {
  const env = {
    ...process.env,
    DATABASE_URL: stack.databaseUrl,
    KAFKA_BROKERS: stack.kafka.brokers.join(','),
    NODE_NO_WARNINGS: '1',
    // They read features as an application does; what they start themselves does, too.
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${new URL('../scripts/from-source.ts', import.meta.url).href}`,
  };
  for (const part of parts) {
    process.stderr.write(`measuring ${part}\n`);
    const figures = await run(part, env);
    all[part] = figures;
    const table = new Table({
      head: [part, ''],
      style: { head: [], border: [], compact: true },
      colAligns: ['left', 'right'],
    });
    for (const row of rowsOf(figures)) table.push(row);
    process.stdout.write(`${table.toString()}\n`);
  }
} finally {
  await stack.stop();
}
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(all)}\n`);
