import { partitionStart } from '../log/partition-start.ts';
import type { CompiledView, PreparedEvent } from '../../engine/define/compiled-view.ts';
import { emptyCounts, type LogCounts } from '../../engine/admission/log-counts.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { countOutcome, TopicPipeline } from '../../engine/topic/topic-pipeline.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';

/** What a topic makes of a view, computed in one go in memory: no micro-batches, no database, no cache. */
export interface Replayed {
  /** As `stateBytes` prints them. */
  readonly states: string[];
  readonly counts: LogCounts;
  /** `partition:offset` of every dead letter. */
  readonly deadLetters: string[];
  /** By the begin of the hour of event time, ms: what became of the records that came to the view, in the order of these names. */
  readonly hours: ReadonlyMap<number, Readonly<Record<'ok' | 'filtered' | 'null-key' | 'failed' | 'late', number>>>;
}

/** Replays a whole topic, partition after partition. */
export async function replayTopic(view: CompiledView, reader: LogReader): Promise<Replayed> {
  const topic = view.source.topic!;
  const { partitions } = await reader.bounds(topic);
  const reducer = createViewReducer(view.layout);
  const states = new Map<string, { key: PreparedEvent['key']; state: EntityState }>();
  const counts = emptyCounts();
  const deadLetters: string[] = [];
  const hours = new Map<number, Record<'ok' | 'filtered' | 'null-key' | 'failed' | 'late', number>>();
  const count = (eventTimeUs: number, what: 'ok' | 'filtered' | 'null-key' | 'failed' | 'late'): void => {
    const beginMs = Math.floor(eventTimeUs / 3_600_000_000) * 3_600_000;
    const hour = hours.get(beginMs) ?? { ok: 0, filtered: 0, 'null-key': 0, failed: 0, late: 0 };
    hours.set(beginMs, hour);
    hour[what]++;
  };
  for (const { partition, lowOffset, endOffset } of partitions) {
    const pipeline = new TopicPipeline(
      view.source,
      partition,
      new PartitionDedupe(view.source.dedupeHorizonUs, null),
      partitionStart(),
    );
    const read = reader.read({
      topic,
      positions: new Map([[partition, lowOffset]]),
      ends: new Map([[partition, endOffset]]),
    });
    for await (const batch of read) {
      for (const record of batch.records) {
        const outcome = pipeline.step(record);
        countOutcome(counts, outcome);
        if (outcome.kind === 'invalid') deadLetters.push(`${partition}:${record.offset}`);
        else if (outcome.kind === 'event' || outcome.kind === 'undeduped') {
          const event: PreparedEvent = {
            keyText: '',
            key: [],
            eventTimeUs: 0,
            id: null,
            partition: 0,
            offset: 0,
            inputs: view.layout.slots.map(() => null),
          };
          const prepared = view.prepare(outcome.event, event);
          count(outcome.event.eventTimeUs, typeof prepared === 'object' ? 'failed' : prepared);
          if (prepared === 'filtered') counts.filtered++;
          else if (prepared === 'null-key') counts.nullKey++;
          else if (prepared !== 'ok') {
            counts.invalid++;
            deadLetters.push(`${partition}:${record.offset}`);
          } else {
            const entry = states.get(event.keyText) ?? { key: [...event.key], state: reducer.empty() };
            states.set(event.keyText, entry);
            if (reducer.apply(entry.state, event)) counts.applied++;
            else {
              counts.late++;
              count(event.eventTimeUs, 'late');
            }
          }
        }
      }
    }
  }
  const lines = [...states.values()].map(({ key, state }) => {
    const names = Object.fromEntries(view.layout.keys.map(({ name }, index) => [name, key[index]]));
    return `${JSON.stringify(names).replaceAll('":', '": ').replaceAll(',"', ', "')} ${Buffer.from(reducer.encode(state)).toString('hex')}`;
  });
  return { states: lines.sort(), counts, deadLetters: deadLetters.sort(), hours };
}
