import type { Client } from '@temporalio/client';
import type pg from 'pg';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { addCounts, emptyCounts, type LogCounts } from '../engine/admission/log-counts.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import { type LogReader, realEnd } from '../engine/topic/log-reader.ts';
import { heldBack } from '../engine/topic/topic-errors.ts';
import { countDeadLetters } from '../engine/postgres/dead-letters.ts';
import { type KeptSize, keptSizes } from '../engine/postgres/kept-sizes.ts';
import { latestAudits, LOST_COMMIT, type ParityVerdict } from '../engine/postgres/parity-audits.ts';
import { desiredView } from '../engine/postgres/desired-views.ts';
import { countEntities } from '../engine/postgres/count-entities.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { type StreamOffset, streamOffsets } from '../engine/postgres/stream-offsets.ts';
import { liveVersions, type ViewVersion } from '../engine/postgres/view-versions.ts';
import { DEFAULT_INSTALLATION, type InstallationNames } from '../engine/installation/installation-names.ts';
import type { KafkaSettings } from '../config/environment.ts';
import type { TemporalSettings } from '../config/temporal-settings.ts';
import type {
  CandidateStatus,
  Command,
  LifecycleStatus,
  PreviousStatus,
} from '../workflows/feature-lifecycle/contract.ts';
import type { Failure } from '../workflows/failure.ts';
import type { Waiting } from '../workflows/waits.ts';
import { viewProgress } from '../engine/postgres/view-progress.ts';
import { progressOf } from './follow-lifecycle.ts';
import { queryStatus, runningActivities } from './lifecycle-client.ts';
import type { NewerFiles } from './newer-files.ts';
import { isoMicros } from './output.ts';
import { namesOf, withTemporal } from './with-temporal.ts';

/** How long one lifecycle may take to answer: a worker that is away must not hold up the others' status. */
const ANSWER_WITHIN_MS = 3_000;

/** All that is known of a view: from its lifecycle, the catalog and the broker. */
export interface ViewStatus {
  readonly view: string;
  /** As the lifecycle says; `no-worker` where none answers, `no-lifecycle` where a view is served that nobody owns. */
  readonly phase: string;
  readonly version: number | null;
  readonly fingerprint: string | null;
  /** Feature to tag, of what is served; null where nothing is, and of a version from before there were tags. */
  readonly tags: Readonly<Record<string, string>> | null;
  /** Of the engine that built what is served; phase `upgrading` where a later one is to take over. */
  readonly semantics: number | null;
  /** That are stored now; null where nothing is served. */
  readonly entities: number | null;
  /** Whether that is Postgres' own count of a large table: some per cent off at the worst. */
  readonly entitiesEstimated: boolean;
  /** Rows of expired entities that the stream of the served version has removed. */
  readonly expiredRows: number;
  /** Records between the stream's next offsets and the present end of the topic, open transactions included; null without a topic. */
  readonly lag: number | null;
  /** That which readers are told the age of (`viewWatermark`): partitions that lag hold it back. ISO UTC. */
  readonly watermark: string | null;
  readonly offsets: readonly { readonly partition: number; readonly nextOffset: number; readonly endOffset: number }[];
  /** Where open transactions hold it back right now, and whose they are; null where none does. */
  readonly heldBack: string | null;
  /** Backfill and stream together. */
  readonly counts: Readonly<Record<string, number>>;
  /** Of the served version, those that a bound has made go included. */
  readonly deadLetters: number;
  /** What of all its versions is in the database, and what a bound has made go. */
  readonly kept: Readonly<Record<KeptKind, KeptStatus>>;
  /** Partitions of whose last 20 records more than half are invalid: the source is broken right now. */
  readonly mostlyInvalid: readonly number[];
  /** The last comparison of what is served with the log, as the lifecycle has it, else as the catalog; null where none was made. */
  readonly parity: ViewParity | null;
  /** What its work waits for, and goes on by itself; null where nothing waits, and where no lifecycle answers. */
  readonly waitingFor: Waiting | null;
  readonly error: Failure | null;
  /** Files of the history that the served version was not built from; null where the history is not to be seen from here. */
  readonly filesNotInVersion: number | null;
  /** What it is to be: the definition that was applied last; null where none ever was. */
  readonly applied: AppliedDefinition | null;
  /** What is built and not served, and what was served and is kept; null where there is none, and where no lifecycle answers. */
  readonly candidate: CandidateStatus | null;
  readonly previous: PreviousStatus | null;
  /** When the served version was published, µs. */
  readonly servedSince: number | null;
  readonly accepts: readonly Command[];
  /** What its activities are doing. */
  readonly running: readonly string[];
}

export interface AppliedDefinition {
  readonly fingerprint: string;
  readonly applyNumber: number;
  readonly actor: string;
  readonly message: string | null;
  /** ISO UTC. */
  readonly at: string;
}

/** By kind: `commits`, `dead-letters`. */
type KeptKind = KeptSize['kind'];

export interface KeptStatus {
  readonly rows: number;
  readonly bytes: number;
  /** Merged into others (commits), or dropped (dead letters). */
  readonly droppedRows: number;
  /** ISO UTC; null where none were. */
  readonly firstDroppedAt: string | null;
}

export interface ViewParity {
  readonly verdict: ParityVerdict;
  readonly auditId: number;
  readonly version: number;
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  /** Cause to number of differences: `store-corruption` are states that readers get as `state-corrupt`. */
  readonly causes: Readonly<Record<string, number>>;
  /** Logged reads of commits that a failover or a restore lost: nothing is said of them. */
  readonly lostReads: number;
  /** When it ended; ISO UTC. */
  readonly at: string;
}

/**
 * The status of every view that is served or has a lifecycle, by name; of one if `only` is given. Throws `not-started`.
 *
 * @param newerFiles left out: histories are not looked at
 */
export async function gatherStatus(
  services: {
    readonly databaseUrl: string;
    readonly kafka: KafkaSettings;
    readonly temporal: TemporalSettings;
    readonly installation: InstallationNames;
  },
  only?: string,
  newerFiles: NewerFiles = async () => null,
): Promise<ViewStatus[]> {
  const { installation } = services;
  const pool = createPool(services.databaseUrl, { max: 4, applicationName: 'millrace-status', installation });
  const reader = createKafkaLogReader({
    ...services.kafka,
    clientId: 'millrace-status',
    connectForMs: ANSWER_WITHIN_MS,
  });
  try {
    return await withTemporal(services.temporal, installation, async (client) => {
      const live = new Map((await liveVersions(pool)).map((version) => [version.view, version]));
      const watermarks = new Map((await viewProgress(pool)).map((at) => [at.view, at.watermarkUs]));
      const owned = new Set<string>();
      const within =
        installation.name === DEFAULT_INSTALLATION
          ? ''
          : ` AND WorkflowId STARTS_WITH '${installation.lifecycleId('')}'`;
      for await (const run of client.workflow.list({
        query: `WorkflowType = 'featureLifecycle' AND ExecutionStatus = 'Running'${within}`,
      })) {
        const view = namesOf(client).viewOfLifecycle(run.workflowId);
        if (view !== null) owned.add(view);
      }
      const views = [...new Set([...live.keys(), ...owned])]
        .filter((view) => only === undefined || view === only)
        .toSorted();
      if (only !== undefined && views.length === 0) throw unknown(only);
      return await Promise.all(
        views.map((view) =>
          statusOf(view, live.get(view) ?? null, watermarks.get(view) ?? null, owned.has(view), {
            pool,
            reader,
            client,
            newerFiles,
          }),
        ),
      );
    });
  } finally {
    await Promise.all([pool.end(), reader.close()]);
  }
}

interface Connected {
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly client: Client;
  readonly newerFiles: NewerFiles;
}

async function statusOf(
  view: string,
  live: ViewVersion | null,
  watermarkUs: number | null,
  isOwned: boolean,
  connected: Connected,
): Promise<ViewStatus> {
  const { pool, client } = connected;
  const { offsets, held, failure } = await withPresentEnds(
    live === null ? [] : await streamOffsets(pool, view, live.version),
    connected.reader,
  );
  const own: LifecycleStatus | null = isOwned ? await queryStatus(client, view, ANSWER_WITHIN_MS) : null;
  const activities = isOwned
    ? runningActivities(await client.workflow.getHandle(namesOf(client).lifecycleId(view)).describe())
    : [];
  const counts: LogCounts = { ...emptyCounts(), ...live?.counts };
  for (const offset of offsets) addCounts(counts, { ...emptyCounts(), ...offset.counts });
  const stored = live === null ? null : await countEntities(pool, live.stateTable);
  return {
    view,
    phase: own?.phase ?? (isOwned ? 'no-worker' : 'no-lifecycle'),
    version: live?.version ?? null,
    fingerprint: live?.fingerprint ?? null,
    tags: live?.tags?.features ?? null,
    semantics: live?.semantics ?? null,
    entities: stored?.entities ?? null,
    entitiesEstimated: stored?.isEstimate ?? false,
    expiredRows: live?.expiredRows ?? 0,
    lag:
      live === null || live.topic === null || failure !== null
        ? null
        : offsets.reduce((sum, at) => sum + at.endOffset - at.nextOffset, 0),
    watermark: watermarkUs === null ? null : isoMicros(watermarkUs),
    offsets: offsets.map(({ partition, nextOffset, endOffset }) => ({ partition, nextOffset, endOffset })),
    heldBack: held,
    counts: { ...counts },
    deadLetters: live === null ? 0 : await countDeadLetters(pool, view, live.version),
    kept: keptOf(await keptSizes(pool, view)),
    mostlyInvalid: offsets.filter((offset) => offset.mostlyInvalid).map(({ partition }) => partition),
    parity: own === null ? await storedParity(pool, view, live) : reportedParity(own),
    waitingFor: own?.waitingFor ?? null,
    error: own?.error ?? failure,
    filesNotInVersion: live === null ? null : await connected.newerFiles(live),
    applied: await appliedTo(pool, view),
    candidate: own?.candidate ?? null,
    previous: own?.previous ?? null,
    servedSince: live?.publishedAtUs ?? null,
    accepts: own?.accepts ?? [],
    running: activities.map((activity) => `${activity.type}: ${progressOf(activity)}`),
  };
}

async function appliedTo(pool: pg.Pool, view: string): Promise<AppliedDefinition | null> {
  const desired = await desiredView(pool, view);
  if (desired === null) return null;
  const { fingerprint, applyNumber, actor, message, atUs } = desired;
  return { fingerprint, applyNumber, actor, message, at: isoMicros(atUs) };
}

function keptOf(sizes: readonly KeptSize[]): Readonly<Record<KeptKind, KeptStatus>> {
  const of = (kind: KeptKind): KeptStatus => {
    const own = sizes.filter((size) => size.kind === kind);
    const sum = (field: 'rows' | 'bytes' | 'droppedRows'): number =>
      own.reduce((total, size) => total + size[field], 0);
    const firsts = own.flatMap(({ firstDroppedAtUs }) => firstDroppedAtUs ?? []);
    const firstDroppedAt = firsts.length === 0 ? null : isoMicros(Math.min(...firsts));
    return { rows: sum('rows'), bytes: sum('bytes'), droppedRows: sum('droppedRows'), firstDroppedAt };
  };
  return { commits: of('commits'), 'dead-letters': of('dead-letters') };
}

function reportedParity({ parity }: LifecycleStatus): ViewParity | null {
  if (parity === null) return null;
  const { verdict, auditId, version, cellsCompared, cellsDiffering, causes, lostReads = 0, atMs } = parity;
  return { verdict, auditId, version, cellsCompared, cellsDiffering, causes, lostReads, at: isoMicros(atMs * 1000) };
}

/** Where no lifecycle answers, the newest audit of the served version stands for what it would say. */
async function storedParity(pool: pg.Pool, view: string, live: ViewVersion | null): Promise<ViewParity | null> {
  const [audit] = await latestAudits(pool, view);
  if (audit === undefined || audit.version !== live?.version) return null;
  const { verdict, auditId, version, cellsCompared, cellsDiffering, causes, skipped, finishedAtUs } = audit;
  const lostReads = skipped[LOST_COMMIT] ?? 0;
  return { verdict, auditId, version, cellsCompared, cellsDiffering, causes, lostReads, at: isoMicros(finishedAtUs) };
}

/**
 * The stored ends are as old as the last micro-batch: the broker knows the present ones. A topic it cannot tell of is told as the
 * view's failure: one that was deleted must not hide how the other views are.
 */
async function withPresentEnds(
  offsets: readonly StreamOffset[],
  reader: LogReader,
): Promise<{
  readonly offsets: readonly StreamOffset[];
  readonly held: string | null;
  readonly failure: Failure | null;
}> {
  const [first] = offsets;
  if (first === undefined) return { offsets, held: null, failure: null };
  try {
    let { partitions } = await reader.bounds(first.topic);
    // Most transactions are over by the second look; of one that is not, it is known whose it is.
    if (partitions.some((at) => realEnd(at) > at.endOffset)) ({ partitions } = await reader.bounds(first.topic));
    const ends = new Map(partitions.map((at) => [at.partition, at]));
    const present = offsets.map((offset) => {
      const now = ends.get(offset.partition);
      return now === undefined ? offset : { ...offset, endOffset: Math.max(realEnd(now), offset.nextOffset) };
    });
    const held = partitions
      .filter((at) => realEnd(at) > at.endOffset)
      .map(({ partition, endOffset, heldBy }) => ({ partition, offset: endOffset, producerId: heldBy }));
    return { offsets: present, held: held.length === 0 ? null : heldBack(first.topic, held).message, failure: null };
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const { code, message, remedy } = error;
    return {
      offsets,
      held: null,
      failure: { code, message, remedy, during: 'looking at the topic', atMs: Date.now() },
    };
  }
}

function unknown(view: string): MillraceError {
  return new MillraceError('not-started', `view "${view}" is neither served nor has it a running lifecycle`, {
    remedy: `Start it: millrace start ${view}. "millrace plan" lists the defined views.`,
    httpStatus: 404,
  });
}
