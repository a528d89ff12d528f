import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';

/** `millrace demo`, `millrace demo loop`, `millrace demo watch`. */
export function addDemoCommand(program: Command): void {
  const demo = program
    .command('demo')
    .description('the whole path on three million real flights: define, backfill, promote, serve, export, compare')
    .option('--stay', 'keep everything running afterwards')
    .option('--json', 'print the figures as one JSON object in the last line')
    .action(async (options: { stay?: boolean; json?: boolean }) => {
      const { runDemo } = await import('../../demo/run-demo.ts');
      process.exitCode = await runDemo({ stay: options.stay === true, json: options.json === true });
    });
  demo
    .command('loop')
    .description(
      'will this flight be late? Train, decide, learn from what came of it, roll out on evidence, return what is broken: June 2001',
    )
    .option('--json', 'print the figures as one JSON object in the last line')
    .option('--html <file>', 'where the report is written', 'demo-loop.html')
    .action(async (options: { json?: boolean; html: string }) => {
      const { runLoop } = await import('../../demo/loop/run-loop.ts');
      process.exitCode = await runLoop({ json: options.json === true, html: resolve(options.html) });
    });
  demo
    .command('watch')
    .description('monitors find what is planted in a week of real flights, and nothing else: June 2001')
    .option('--json', 'print the figures as one JSON object in the last line')
    .option('--only <runs...>', 'these runs alone: none, or names of faults')
    .option('--weeks <count>', 'learn from so many weeks alone; default: from January on', wholeNumber)
    .action(async (options: { json?: boolean; only?: string[]; weeks?: number }) => {
      const { runWatch } = await import('../../demo/watch/run-watch.ts');
      process.exitCode = await runWatch({ json: options.json === true, only: options.only, weeks: options.weeks });
    });
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number of weeks from 1 to 99, as 9');
}
