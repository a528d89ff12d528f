import type pg from 'pg';
import { appendEvent } from '../postgres/audit-events.ts';
import { modelAliases, type ModelVersion, modelVersions, moveModel } from '../postgres/model-versions.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { LogWriter } from '../topic/log-writer.ts';
import type { Clock } from '../values/clock.ts';
import { announceModel } from './announce-model.ts';
import { fetchModel } from './fetch-model.ts';
import { archiveModel, isArchived, isIntact, modelFile, removeAbandoned } from './model-archive.ts';
import { filePages } from './model-source-file.ts';
import { notHeld, readChunks } from './read-chunks.ts';
import { sendModel } from './send-model.ts';

export interface HealOptions {
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly topic: string;
  readonly archiveDir: string;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly actor: string;
  /** Of this model alone. Default: of all. */
  readonly model?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was found of a version's bytes, and done. */
export interface Healed {
  readonly model: string;
  readonly version: number;
  /** `whole`: both have it; `archived`: the archive's folder has it again; `sent`: the topic has it again; `lost`: neither has it. */
  readonly outcome: 'whole' | 'archived' | 'sent' | 'lost';
  /** Why the topic does not have it; null: it does. */
  readonly why: string | null;
}

/**
 * Looks whether topic and archive have the bytes of every version, and gives each what the other has: a topic that lost its head gets them anew, at other
 * offsets, which the row names once they were read back. What died writing left in the archive's folder goes, a day later. All bytes are read: not for every minute.
 *
 * @throws what reader, writer and database throw, and MillraceError `archive-full`, `archive-away`, `archive-not-writable`
 */
export async function healModels(options: HealOptions): Promise<Healed[]> {
  await removeAbandoned(options.archiveDir, options.clock.nowUs() / 1000);
  const healed: Healed[] = [];
  for (const version of await modelVersions(options.pool, options.model))
    healed.push(await healModel(options, version));
  return healed;
}

/** Whether something of a model that an alias stands for is missing, by bounds and sizes alone: for every minute. */
export async function needsHealing({
  pool,
  reader,
  archiveDir,
}: Pick<HealOptions, 'pool' | 'reader' | 'archiveDir'>): Promise<ModelVersion[]> {
  const named = new Set(
    (await modelAliases(pool)).flatMap(({ model, version, previous }) => [
      `${model} ${version}`,
      `${model} ${previous}`,
    ]),
  );
  const missing: ModelVersion[] = [];
  for (const one of await modelVersions(pool)) {
    if (!named.has(`${one.model} ${one.version}`)) continue;
    const isHeld = (await notHeld(reader, one)) === null;
    if (!isHeld || !(await isArchived(archiveDir, one))) missing.push(one);
  }
  return missing;
}

/** The same of one version. */
export async function healModel(options: Omit<HealOptions, 'model'>, version: ModelVersion): Promise<Healed> {
  const { reader, archiveDir, newId, signal } = options;
  const { model, version: number } = version;
  const read = await readChunks(reader, version, undefined, signal);
  const why = 'lost' in read ? read.lost : null;
  const isKept = await isIntact(archiveDir, version);
  const told = (outcome: Healed['outcome']): Healed => ({ model, version: number, outcome, why });
  if (why !== null) return isKept ? (await send(options, version), told('sent')) : told('lost');
  if (isKept) return told('whole');
  const bytes = await fetchModel({ reader, archiveDir: null }, version, signal);
  await archiveModel(archiveDir, version, oneOf(bytes), newId());
  return told('archived');
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function send(options: Omit<HealOptions, 'model'>, version: ModelVersion): Promise<void> {
  const { pool, reader, writer, topic, archiveDir, clock, newId, actor, signal } = options;
  const pages = filePages(modelFile(archiveDir, version));
  const place = await sendModel({ reader, writer, topic, clock, publishId: newId(), file: version, pages, signal });
  const { model, version: number } = version;
  const isOurs = await withTransaction(pool, async (client) => {
    if (!(await moveModel(client, version, place))) return false;
    const result = { version: number, fromOffset: place.fromOffset, untilOffset: place.untilOffset };
    await appendEvent(client, { actor, action: 'model heal', subject: model, input: {}, result });
    return true;
  });
  if (isOurs) await announceModel({ writer, topic, clock, model });
}
