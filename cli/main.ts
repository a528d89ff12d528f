import './quiet-kafkajs.ts';
import { asMillraceError } from './as-millrace-error.ts';
import { endedByClosedPipe, outliveClosedPipes } from './closed-pipes.ts';
import { createProgram } from './create-program.ts';
import { Output } from './output.ts';

outliveClosedPipes();
try {
  await createProgram().parseAsync();
} catch (error) {
  const named = asMillraceError(error);
  if (!endedByClosedPipe(named)) {
    new Output({ json: process.argv.includes('--json') }).error(named);
    if (process.env['MILLRACE_LOG_LEVEL'] === 'debug') console.error(error);
    process.exitCode = 1;
  }
}
