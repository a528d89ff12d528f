import { join } from 'node:path';
import { log } from '@temporalio/activity';
import { makeRunFolder, runTraining } from '../engine/commands/run-training.ts';
import type { OutputTail } from '../engine/commands/output-keeper.ts';
import { MOST_MODEL_BYTES } from '../engine/models/model-source-file.ts';
import type { TrainingCommandInput } from '../workflows/train-model/calls.ts';
import type { CommandSummary } from '../workflows/train-model/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { rulesOf } from './check-training.ts';
import { type HeartbeatFigures, withPulse } from './heartbeat.ts';
import { trainingFiles } from './training-files.ts';

const MB = 2 ** 20;
/** Of the last lines, in a heartbeat: sent every two seconds, and read by whoever follows. */
const LINES_SHOWN = 20;
const CHARS_SHOWN = 4_000;
/** Of the last lines, in the history. */
const LINES_KEPT = 20;

/** Runs the command of a training. Its progress is what it says: the last lines are the heartbeat. */
export async function runTrainingCommand(deps: ActivityDeps, input: TrainingCommandInput): Promise<CommandSummary> {
  const files = trainingFiles(deps.archiveDir, input);
  const { model, command, workdir, environment, memoryMb, isSplit, silenceMs, timeoutMs } = input;
  await makeRunFolder(files.folder);
  const startedMs = performance.now();
  const run = await withPulse({}, async (pulse) => {
    pulse.report({ phase: 'running', lines: 0 });
    return await runTraining({
      rules: rulesOf(deps),
      scratch: join(deps.spillDir, 'commands'),
      model,
      command,
      folder: workdir,
      environment,
      set: {
        trainFile: isSplit ? files.train : files.set,
        testFile: isSplit ? files.test : null,
        manifest: files.manifest,
      },
      left: files,
      mostModelBytes: MOST_MODEL_BYTES,
      silenceMs,
      timeoutMs,
      memoryBytes: memoryMb === null ? null : memoryMb * MB,
      onOutput: (tail) => pulse.report(figuresOf(tail, startedMs)),
      signal: pulse.signal,
    });
  });
  const { modelBytes, hasMetrics, hasScores, codeSha256, seconds, tail, logFault } = run;
  if (logFault !== null) log.warn('not all that the command said is in its log', { model, file: files.log, logFault });
  return {
    modelBytes,
    hasMetrics,
    hasScores,
    codeSha256,
    seconds,
    lines: tail.lineCount,
    tail: tail.lines.slice(-LINES_KEPT),
  };
}

function figuresOf({ lines, lineCount }: OutputTail, startedMs: number): HeartbeatFigures {
  return {
    phase: 'running',
    seconds: Math.round((performance.now() - startedMs) / 1000),
    lines: lineCount,
    tail: lines.slice(-LINES_SHOWN).join('\n').slice(-CHARS_SHOWN),
  };
}
