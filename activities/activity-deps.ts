import type pg from 'pg';
import type { AlertWebhook } from '../engine/alerts/webhook.ts';
import type { CommandRules } from '../engine/commands/run-training.ts';
import type { CompiledSource, CompiledView, Definitions } from '../engine/define/compiled-view.ts';
import { isRetired, semanticsRetired } from '../engine/define/semantics.ts';
import type { ServiceCode } from '../engine/define/derived-code.ts';
import type { VersionCode } from '../engine/define/version-code.ts';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import type { Clock } from '../engine/values/clock.ts';
import { versions } from '../engine/postgres/view-versions.ts';
import { kafkaNotConfigured, viewNeedsKafka } from '../engine/topic/topic-errors.ts';
import type { MemoryBudget } from '../engine/memory/memory-budget.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import type { LogWriter } from '../engine/topic/log-writer.ts';

/** Where models are published, and told of. */
export interface ModelOutlet {
  readonly writer: LogWriter;
  readonly topic: string;
  /** Makes the topic where it is not there. Throws MillraceError `model-topic-unfit`, `topics-not-created`. */
  ensureTopic(): Promise<void>;
}

/** What the worker gives its activities. */
export interface ActivityDeps {
  /** What this worker was started with: of a version that exists, `code` decides. */
  readonly definitions: Definitions;
  /** The code of versions, each its own. */
  readonly code: VersionCode;
  /** The same of what services derive. Default: none is kept. */
  readonly serviceCode?: ServiceCode | undefined;
  readonly pool: pg.Pool;
  /** Reads topics as far back as archive and topic reach without a gap. Null where the worker has no Kafka. */
  readonly reader: LogReader | null;
  /** Reads what the topics hold, and nothing else: for the archive itself. Null where the worker has no Kafka. */
  readonly topicReader: LogReader | null;
  /** Writes to topics what is derived of others. Default null: nothing can be. */
  readonly writer?: LogWriter | null | undefined;
  /** The folder of archived topics that all workers share. */
  readonly archiveDir: string;
  /** The topic of the serving log. */
  readonly servedTopic: string;
  readonly clock: Clock;
  /** Folder for spilled data: of the one DuckDB of this process. */
  readonly spillDir: string;
  /** The folders that paths in a workflow's input may lie in, absolute; null: everywhere. */
  readonly roots: readonly string[] | null;
  /** What all activities of this process share. */
  readonly memory: MemoryBudget;
  /** What publishes models and tells of them; left out or null where the worker has no Kafka. */
  readonly models?: ModelOutlet | null | undefined;
  /** Where changes of alerts are told, beside their topic. Default: nowhere. */
  readonly webhooks?: readonly AlertWebhook[] | undefined;
  /** Which commands this worker runs. Default: none. */
  readonly commands?: CommandRules | undefined;
  /** Who we are, for people: host and process. */
  readonly identity: string;
}

/**
 * The view by the very code the lifecycle speaks of, whatever definitions this worker was started with. Throws `unknown-view`,
 * `definition-changed` where that code was never stored, what a stored bundle cannot be opened for, and
 * `semantics-retired` where the lifecycle speaks of what earlier semantics of the engine made. To a lifecycle whose code knows of no
 * semantics (`asked.semantics` is not there) that is said as something to try again: a worker of its own release, which goes on with
 * it, may take it next.
 */
export async function viewWithFingerprint(
  deps: ActivityDeps,
  asked: { readonly view: string; readonly fingerprint: string; readonly semantics?: number | undefined },
): Promise<CompiledView> {
  const { view: name, fingerprint } = asked;
  const here = deps.definitions.views.get(name);
  if (here?.fingerprint === fingerprint) return here;
  const semantics = await semanticsOf(deps, name, fingerprint);
  if (semantics !== null && isRetired(semantics))
    throw semanticsRetired(name, null, semantics, asked.semantics === undefined);
  return await deps.code.viewOf({ view: name, fingerprint });
}

/** Of the engine that gave the view this fingerprint, as the catalog or the definition at hand knows; null where neither does. */
export async function semanticsOf(
  { pool, definitions }: Pick<ActivityDeps, 'pool' | 'definitions'>,
  view: string,
  fingerprint: string,
): Promise<number | null> {
  const version = (await versions(pool, view)).find((known) => known.fingerprint === fingerprint);
  if (version !== undefined) return version.semantics;
  return (await definitions.views.get(view)?.fingerprintBefore?.()) === fingerprint ? ENGINE_SEMANTICS - 1 : null;
}

/** The reader of a view that has a topic. Throws `kafka-not-configured`. */
export function readerFor(deps: ActivityDeps, view: CompiledView): LogReader {
  if (deps.reader === null) throw viewNeedsKafka(view);
  return deps.reader;
}

/** The reader that sees the topic alone. Throws `kafka-not-configured`. */
export function topicReaderFor(deps: ActivityDeps, source: CompiledSource): LogReader {
  if (deps.topicReader === null) throw kafkaNotConfigured(`source "${source.name}" has topic "${source.topic}"`);
  return deps.topicReader;
}
