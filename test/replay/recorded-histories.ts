import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap, Worker } from '@temporalio/worker';
import { historyOfText } from './history-text.ts';

const folder = new URL('./histories/', import.meta.url);

export const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error };

/** A history as `record-histories.ts` wrote it. */
export interface RecordedHistory {
  readonly workflowId: string;
  readonly history: { readonly events: readonly HistoryEvent[] };
}

type Payloads = Readonly<Record<string, { readonly payloads: readonly { readonly data: Uint8Array }[] }>>;

interface HistoryEvent {
  readonly markerRecordedEventAttributes?: { readonly markerName?: string; readonly details?: Payloads };
  readonly workflowExecutionStartedEventAttributes?: { readonly workflowType: { readonly name: string } };
  readonly upsertWorkflowSearchAttributesEventAttributes?: {
    readonly searchAttributes?: { readonly indexedFields?: Readonly<Record<string, { readonly data: Uint8Array }>> };
  };
}

export const historyNames: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

export function recordedHistory(name: string): RecordedHistory {
  return historyOfText(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as RecordedHistory;
}

/** The marks of `patched()` in a history: what its code asked, and what it went by. */
export function patchesOf({ history }: RecordedHistory): string[] {
  const ids = history.events.flatMap(({ markerRecordedEventAttributes: marker }) => {
    if (marker?.markerName !== 'core_patch') return [];
    const data = marker.details?.['patch-data']?.payloads[0]?.data;
    if (data === undefined) throw new Error(`a patch marker without an id: ${JSON.stringify(marker)}`);
    return [(JSON.parse(Buffer.from(data).toString()) as { readonly id: string }).id];
  });
  return [...new Set(ids)];
}

/** What a history went through: `featureLifecycle streaming`; of a workflow without phases its type. */
export function passedBy({ history }: RecordedHistory): string[] {
  const type = history.events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name ?? 'unknown';
  const phases = history.events.flatMap((event) =>
    Object.entries(event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields ?? {})
      .filter(([name]) => name.endsWith('Phase'))
      .map(([, { data }]) => `${type} ${JSON.parse(Buffer.from(data).toString()) as string}`),
  );
  return phases.length === 0 ? [type] : [...new Set(phases)];
}

/** The workflow code of a tree of sources. Fails on modules that cannot run in the sandbox: tsc cannot see that. */
export function bundleOf(root: URL | string): Promise<WorkflowBundleWithSourceMap> {
  const workflowsPath =
    typeof root === 'string' ? `${root}/workflows/index.ts` : fileURLToPath(new URL('workflows/index.ts', root));
  return bundleWorkflowCode({ workflowsPath, logger: quiet });
}

export function replay(workflowBundle: WorkflowBundleWithSourceMap, recorded: RecordedHistory): Promise<void> {
  return Worker.runReplayHistory({ workflowBundle }, recorded.history, recorded.workflowId);
}
