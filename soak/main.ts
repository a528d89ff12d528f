import '../cli/quiet-kafkajs.ts';
import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import { asMillraceError } from '../cli/as-millrace-error.ts';
import { Output } from '../cli/output.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { printReport } from './print-report.ts';
import { runSoak } from './run-soak.ts';
import { isPassed } from './soak-figures.ts';
import { planOf } from './soak-plan.ts';

const DEFAULT_MINUTES = 10;

interface SoakArguments {
  readonly minutes: number;
  readonly seed: number;
  readonly json?: boolean;
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (Number.isFinite(minutes) && minutes >= 0.25 && minutes <= 1_440) return minutes;
  throw new InvalidArgumentError('Expected a number of minutes from 0.25 to 1440.');
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new InvalidArgumentError('Expected a whole number from 0 to 4294967295.');
}

const program = new Command('soak')
  .description(
    'Twelve views over real services: fed, read, decided by, killed, restarted, then compared with the log to the bit; then faults are planted that an audit has to name.',
  )
  .option(
    '--minutes <minutes>',
    'how long it is live; starting, auditing and planting take two to four more',
    minutesOf,
    DEFAULT_MINUTES,
  )
  .option('--seed <seed>', 'what is random about it, but for timing', seedOf, randomInt(2 ** 31))
  .option('--json', 'print the figures as one JSON object in the last line')
  .showHelpAfterError()
  .action(soak);

async function soak({ minutes, seed, json = false }: SoakArguments): Promise<void> {
  const output = new Output();
  const abort = new AbortController();
  const interrupt = (): void =>
    abort.abort(new MillraceError('interrupted', 'the soak was interrupted', { remedy: 'Run it again.' }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  const plan = planOf(minutes);
  try {
    const figures = await runSoak({
      plan,
      seed,
      signal: abort.signal,
      onProgress: (line) => output.progress(line),
      onNote: (line) => output.note(line),
    });
    printReport(figures, output);
    const passed = isPassed(figures, plan.cells);
    output.line(
      passed
        ? 'passed: what was served is what the log says, and every planted fault was named'
        : `FAILED (again with --seed ${seed})`,
    );
    if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    process.exitCode = passed ? 0 : 1;
  } finally {
    output.end();
  }
}

try {
  await program.parseAsync();
} catch (error) {
  new Output().failure(asMillraceError(error));
  if (process.env['MILLRACE_LOG_LEVEL'] === 'debug') console.error(error);
  process.exitCode = 1;
}
