import type { Command } from 'commander';

/** `millrace demo`. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('the whole path on three million real flights: define, backfill, promote, serve, export, compare')
    .option('--stay', 'keep everything running afterwards')
    .option('--json', 'print the figures as one JSON object in the last line')
    .action(async (options: { stay?: boolean; json?: boolean }) => {
      const { runDemo } = await import('../../demo/run-demo.ts');
      process.exitCode = await runDemo({ stay: options.stay === true, json: options.json === true });
    });
}
