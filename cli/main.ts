import './quiet-kafkajs.ts';
import { endedByClosedPipe, outliveClosedPipes } from './closed-pipes.ts';
import { createProgram } from './create-program.ts';

outliveClosedPipes();
try {
  await (await createProgram(process.argv[2])).parseAsync();
} catch (error) {
  const [{ asMillraceError }, { Output }] = await Promise.all([
    import('./as-millrace-error.ts'),
    import('./output.ts'),
  ]);
  const named = asMillraceError(error);
  if (!endedByClosedPipe(named)) {
    new Output({ json: process.argv.includes('--json') }).error(named);
    if (process.env['MILLRACE_LOG_LEVEL'] === 'debug') console.error(error);
    process.exitCode = 1;
  }
}
