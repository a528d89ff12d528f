import { failure } from '../failure.ts';
import { invalid, objectOf, optionalWholeOf, show } from '../json-input.ts';
import { type MonitorsInput, monitorsWorkflowId } from './contract.ts';

export interface MonitorsSettings {
  readonly everySeconds: number;
  readonly clock: 'wall' | 'watermark';
  readonly allowedLatenessMs: number;
  readonly watchFromMs: number | null;
  readonly maxHistoryEvents: number | null;
}

const EVERY_SECONDS = 60;
const LATENESS_SECONDS = 300;

/** Checks what a person typed into the start form. Throws a non-retryable failure `invalid-input` or `workflow-id-mismatch`. */
export function checkMonitorsInput(input: unknown, workflowId: string, taskQueue: string): MonitorsSettings {
  const names: readonly (keyof MonitorsInput)[] = [
    'everySeconds',
    'clock',
    'allowedLatenessSeconds',
    'watchFrom',
    'maxHistoryEvents',
  ];
  const given = objectOf(input ?? {}, names, '{"clock":"wall"}');
  const { clock = 'wall', watchFrom } = given;
  if (clock !== 'wall' && clock !== 'watermark')
    throw invalid(`"clock" must be "wall" or "watermark", received ${show(clock)}`);
  const watchFromMs =
    watchFrom === undefined ? null : typeof watchFrom === 'string' ? Date.parse(watchFrom) : Number.NaN;
  if (Number.isNaN(watchFromMs))
    throw invalid(`"watchFrom" must be a time, as 2026-06-01T00:00Z, received ${show(watchFrom)}`);
  const expected = monitorsWorkflowId(taskQueue);
  if (workflowId !== expected)
    throw failure(
      'workflow-id-mismatch',
      `the monitors of this installation must have the workflow id "${expected}", received "${workflowId}"`,
      `Start it with workflow id "${expected}".`,
    );
  return {
    everySeconds: optionalWholeOf(given, 'everySeconds', 1) ?? EVERY_SECONDS,
    clock,
    allowedLatenessMs: 1000 * (optionalWholeOf(given, 'allowedLatenessSeconds', 0) ?? LATENESS_SECONDS),
    watchFromMs,
    maxHistoryEvents: optionalWholeOf(given, 'maxHistoryEvents', 10),
  };
}
