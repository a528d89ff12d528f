import { CommanderError } from 'commander';
import './quiet-kafkajs.ts';
import { endedByClosedPipe, outliveClosedPipes } from './closed-pipes.ts';
import { createProgram } from './create-program.ts';

outliveClosedPipes();
try {
  await (await createProgram(process.argv[2])).parseAsync();
} catch (error) {
  // The help, or the version: it is printed already.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help'))
    process.exitCode = error.exitCode;
  else await tell(error);
}

async function tell(error: unknown): Promise<void> {
  const [{ asMillraceError }, { Output }] = await Promise.all([
    import('./as-millrace-error.ts'),
    import('./output.ts'),
  ]);
  const named = asMillraceError(error);
  if (endedByClosedPipe(named)) return;
  new Output({ json: process.argv.includes('--json') }).error(named);
  if (process.env['MILLRACE_LOG_LEVEL'] === 'debug') console.error(error);
  process.exitCode = 1;
}
