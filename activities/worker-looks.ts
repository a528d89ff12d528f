import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { MetricMeter } from '@temporalio/common';
import type pg from 'pg';
import type { BoundCatalogOptions } from '../engine/archive/bound-catalog.ts';
import type { BundleKeys } from '../engine/bundles/bundle-signature.ts';
import type { CompiledView } from '../engine/define/compiled-view.ts';
import type { InstallationNames } from '../engine/installation/installation-names.ts';
import { Repeated } from '../engine/slice/repeated.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import type { LogWriter } from '../engine/topic/log-writer.ts';
import type { Clock } from '../engine/values/clock.ts';
import { FolderDifferences } from './folder-differences.ts';
import { PhaseGauges } from './phase-gauges.ts';
import { AppliedTeller } from './tell-applied.ts';
import { LifecycleTeller, lifecyclesOver } from './tell-lifecycles.ts';
import { tendCatalog } from './tend-catalog.ts';
import { tendModels } from './tend-models.ts';
import { TrainingGauges } from './training-gauges.ts';
import { gaugeOn } from './worker-metrics.ts';

/** How often it is looked for what lifecycles are to be told. */
const TELL_EVERY_MS = 30_000;
/** How often what grows with the log is held to its bounds. */
const TEND_EVERY_MS = 60_000;
/** How often phases and services are looked at for the metrics. */
const LOOK_EVERY_MS = 15_000;

/** Something that goes on beside a worker's tasks. */
export interface WorkerLook {
  start(): void;
  /** Resolves when nothing of it is under way any more. */
  stop(): Promise<void>;
}

/** What of a logger looks need. */
export interface LookLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface WorkerLooksOptions {
  /** The tasks that this worker takes. */
  readonly roles: readonly string[];
  readonly client: Client;
  readonly installation: InstallationNames;
  readonly pool: pg.Pool;
  /** Null where the worker has no Kafka. */
  readonly reader: LogReader | null;
  /** What models are healed by, and in whose name; null where the worker has no Kafka. */
  readonly models: { readonly writer: LogWriter; readonly archiveDir: string; readonly actor: string } | null;
  /** Of its folder. */
  readonly views: ReadonlyMap<string, CompiledView>;
  readonly keys: BundleKeys;
  readonly bounds: BoundCatalogOptions['bounds'];
  readonly clock: Clock;
  readonly log: LookLog;
  /** Where metrics are shown, and how the services are; null: nobody asks for them. */
  readonly shown: { readonly meter: MetricMeter; readonly checks: ReachableServices } | null;
}

interface ReachableServices {
  look(): Promise<readonly { readonly service: string; readonly ok: boolean }[]>;
}

/** What a worker looks at again and again while it runs, as its roles and its metrics ask for it. */
export function workerLooks(options: WorkerLooksOptions): WorkerLook[] {
  const { roles, shown } = options;
  return [
    ...(roles.includes('workflow') ? tellings(options) : []),
    ...(roles.includes('stream') ? [tending(options), ...tendingModels(options)] : []),
    differing(options),
    ...(shown === null ? [] : showings(options, shown)),
  ];
}

function tellings({ pool, reader, views, clock, client, installation, log }: WorkerLooksOptions): WorkerLook[] {
  const lifecycles = lifecyclesOver(client, installation);
  const ofSemantics = new LifecycleTeller({
    pool,
    reader,
    views,
    clock,
    lifecycles,
    everyMs: TELL_EVERY_MS,
    onError: (error) => log.warn({ err: error }, 'the lifecycles of versions of earlier semantics could not be told'),
  });
  const onError = (error: unknown): void =>
    log.warn({ err: error }, 'the lifecycles could not be told what was applied');
  const ofApplied = new AppliedTeller({
    pool,
    clock,
    tell: (view, applied) => lifecycles.tellApplied(view, applied),
    onError,
  });
  return [ofSemantics, new Repeated({ run: (signal) => ofApplied.look(signal), everyMs: TELL_EVERY_MS, onError })];
}

function tending({ pool, clock, bounds, log }: WorkerLooksOptions): WorkerLook {
  return tendCatalog({
    pool,
    clock,
    bounds,
    everyMs: TEND_EVERY_MS,
    onBounded: (bounded) =>
      log.info({ bounded }, 'old commits were merged, or dead letters dropped, to stay within what is kept'),
    onError: (error) => log.warn({ err: error }, 'what grows with the log could not be held to its bounds'),
  });
}

function tendingModels({ pool, reader, models, clock, installation, log }: WorkerLooksOptions): WorkerLook[] {
  if (reader === null || models === null) return [];
  const tender = tendModels({
    ...models,
    pool,
    reader,
    clock,
    topic: installation.modelsTopic,
    newId: randomUUID,
    everyMs: TEND_EVERY_MS,
    onHealed: (healed) => log.warn({ healed }, 'the bytes of a model were missing from the topic or the archive'),
    onError: (error) => log.warn({ err: error }, 'models could not be looked at, or healed'),
  });
  return [tender];
}

function differing({ pool, views, keys, log }: WorkerLooksOptions): WorkerLook {
  const differences = new FolderDifferences({
    views,
    pool,
    keys,
    onDifference: (difference) =>
      log.warn(difference, 'this folder has another definition than the one that is run; it is run all the same'),
  });
  return new Repeated({
    run: () => differences.look(),
    everyMs: TELL_EVERY_MS,
    onError: (error) => log.warn({ err: error }, 'what was applied could not be compared with this folder'),
  });
}

function showings(
  { roles, client, installation, pool, log }: WorkerLooksOptions,
  { meter, checks }: NonNullable<WorkerLooksOptions['shown']>,
): WorkerLook[] {
  const reachable = gaugeOn(meter, 'millrace_service_reachable');
  const services = new Repeated({
    run: async () => {
      for (const { service, ok } of await checks.look()) reachable.set(ok ? 1 : 0, { service });
    },
    everyMs: LOOK_EVERY_MS,
    onError: (error) => log.warn({ err: error }, 'the services could not be looked at'),
  });
  if (!roles.includes('workflow')) return [services];
  const phases = new PhaseGauges({ client, pool, meter });
  const shown = new Repeated({
    run: () => phases.look(),
    everyMs: LOOK_EVERY_MS,
    onError: (error) => log.warn({ err: error }, 'the phases of the lifecycles could not be looked at'),
  });
  const trainings = new TrainingGauges({ client, installation, meter });
  const trained = new Repeated({
    run: () => trainings.look(),
    everyMs: TEND_EVERY_MS,
    onError: (error) => log.warn({ err: error }, 'the trainings of models could not be looked at'),
  });
  return [services, shown, trained];
}
