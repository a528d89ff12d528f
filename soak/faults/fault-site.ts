import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { CompiledView, Definitions } from '../../engine/define/compiled-view.ts';
import { internalBug } from '../../engine/errors/millrace-error.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LogReader, RawRecord } from '../../engine/topic/log-reader.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import type { ViewVersion } from '../../engine/postgres/view-versions.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { Said } from '../loop/said.ts';
import type { Payment, PaymentGenerator } from '../payment-generator.ts';
import type { Random } from '../random.ts';

/** Join keys by name. */
export type EntityKey = Readonly<Record<string, NonNullable<ScalarValue>>>;

/** Where faults are planted: everything is caught up, and nobody else produces. */
export interface FaultSite {
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly temporal: Client;
  readonly definitions: Definitions;
  /** The same but for one function. */
  readonly changed: Definitions;
  readonly payments: PaymentGenerator;
  readonly random: Random;
  readonly signal: AbortSignal;
  sendPayments(payments: readonly Payment[]): Promise<void>;
  /** Says so many decisions, each with one outcome, and resolves when they are acknowledged. */
  say(count: number): Promise<Said>;
  /** A logged read of one entity, by its join keys as JSON has them, at a time (µs) or as of now. */
  read(view: string, entity: EntityKey, atUs?: number): Promise<void>;
}

/** What was done, and what an audit has to say of it. */
export interface PlantedFault {
  readonly fault: string;
  readonly view: string;
  readonly cause: string;
  /** The one entity concerned; null: whichever the changed code met. */
  readonly entity: EntityKey | null;
  /** The records that explain it, where the fault is one of records. */
  readonly records: readonly { readonly partition: number; readonly offset: number }[] | null;
}

export type PlantFault = (site: FaultSite) => Promise<PlantedFault>;

/** The view by name, and its live version. */
export async function planted(site: FaultSite, name: string): Promise<{ view: CompiledView; version: ViewVersion }> {
  const view = site.definitions.views.get(name);
  const version = await liveVersion(site.pool, name);
  if (view === undefined || version === null) throw internalBug(`view "${name}" is not there to plant a fault in`);
  return { view, version };
}

/** Runs the stream of a paused view to the present end in this process. The next lifecycle that streams it outbids the token. */
export async function streamByHand(
  site: FaultSite,
  view: CompiledView,
  version: number,
  reader: LogReader,
): Promise<void> {
  const offsets = await streamOffsets(site.pool, view.name, version);
  const result = await runStream({
    view,
    version,
    pool: site.pool,
    reader,
    fence: {
      generation: Math.max(...offsets.map(({ generation }) => generation)),
      attemptMs: Math.max(Date.now(), ...offsets.map(({ attemptMs }) => attemptMs + 1)),
      owner: 'soak',
    },
    until: 'present-end',
    signal: site.signal,
    clock: systemClock,
  });
  if (result.ended !== 'present-end') throw internalBug(`the stream of ${view.name} by hand ended: ${result.ended}`);
}

/** A payment that somebody made. */
export type CleanPayment = Payment & { readonly customer: number };

/** Valid payments of known customers, of now. */
export function cleanPayments(site: FaultSite, count: number): CleanPayment[] {
  const payments: CleanPayment[] = [];
  const nowMs = Date.now();
  while (payments.length < count) {
    const payment = site.payments.payment(nowMs - (nowMs % 1000) - payments.length);
    // What a fault does to it must be seen: nothing that adds nothing.
    if (payment.customer !== null && payment.units !== '0') payments.push({ ...payment, customer: payment.customer });
  }
  return payments;
}

/** Where a record stands in the topic, looked for from the view's offsets on. */
export async function findRecord(
  site: FaultSite,
  view: CompiledView,
  version: number,
  isWanted: (text: string) => boolean,
): Promise<RawRecord> {
  const topic = view.source.topic ?? '';
  const offsets = await streamOffsets(site.pool, view.name, version);
  const { partitions } = await site.reader.bounds(topic);
  const read = site.reader.read({
    topic,
    positions: new Map(offsets.map(({ partition, nextOffset }) => [partition, nextOffset])),
    ends: new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset])),
    signal: site.signal,
  });
  for await (const { records } of read) {
    const found = records.find(({ value }) => value !== null && isWanted(Buffer.from(value).toString()));
    if (found !== undefined) return found;
  }
  throw internalBug(`the record that is looked for is not in topic ${topic}`);
}

/** The reader, with the records of each batch as `change` gives them back. */
export function changedReader(reader: LogReader, change: (record: RawRecord) => readonly RawRecord[]): LogReader {
  return {
    bounds: (topic) => reader.bounds(topic),
    recordAt: (topic, partition, offset) => reader.recordAt(topic, partition, offset),
    reportOffsets: (group, topic, offsets) => reader.reportOffsets(group, topic, offsets),
    close: () => reader.close(),
    async *read(options) {
      for await (const batch of reader.read(options)) yield { ...batch, records: batch.records.flatMap(change) };
    },
  };
}
