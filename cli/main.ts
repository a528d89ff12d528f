import './quiet-kafkajs.ts';
import { asMillraceError } from './as-millrace-error.ts';
import { createProgram } from './create-program.ts';
import { Output } from './output.ts';

try {
  await createProgram().parseAsync();
} catch (error) {
  new Output({ json: process.argv.includes('--json') }).error(asMillraceError(error));
  if (process.env['MILLRACE_LOG_LEVEL'] === 'debug') console.error(error);
  process.exitCode = 1;
}
