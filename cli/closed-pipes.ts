/** What a shell makes of a program that SIGPIPE ended: 128 + 13. */
const BROKEN_PIPE = 141;

let isOutputClosed = false;

/**
 * Lets a command end quietly where nobody reads what it says any more (`millrace plan | head -1`): no more is written there, what the command
 * does goes on to its end, and the exit status is then that of a broken pipe. A command that runs until it is told to stop is told so, as by
 * a terminal that goes away. Without a reader of standard error alone nothing changes but that it is not written.
 */
export function outliveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
      if (stream !== process.stdout || isOutputClosed) return;
      isOutputClosed = true;
      process.exitCode ??= BROKEN_PIPE;
      if (process.listenerCount('SIGHUP') > 0) process.emit('SIGHUP', 'SIGHUP');
    });
  }
}

/** Whether a command that stopped did so since nobody reads its output: no error then. */
export function endedByClosedPipe(error: { readonly code: string }): boolean {
  return isOutputClosed && error.code === 'interrupted';
}
