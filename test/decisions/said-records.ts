import { compileSource } from '../../engine/define/compile-source.ts';
import type { Source } from '../../engine/define/source.ts';
import type { CompiledSource, Row } from '../../engine/define/compiled-view.ts';
import type { InvalidRecord } from '../../engine/admission/invalid-record.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { TopicScan } from '../../engine/topic/topic-scan.ts';
import { systemClock } from '../../engine/values/clock.ts';

/** A source as runs have it, on a topic. */
export function compiledSource(definition: Source, topic?: string): CompiledSource {
  const { source } = compileSource(definition, '/', (code, path, message) => {
    throw new Error(`${code} ${path}: ${message}`);
  });
  return topic === undefined ? source : { ...source, topic };
}

/** All that a topic has of a source, each once, and what breaks its contract. */
export async function saidRecords(
  reader: LogReader,
  source: CompiledSource,
): Promise<{ readonly rows: Row[]; readonly invalid: InvalidRecord[] }> {
  const topic = source.topic!;
  const cut = await takeCut(reader, topic, systemClock);
  const invalid: InvalidRecord[] = [];
  const scan = new TopicScan({ source, topic, cut, reader, onInvalid: (record) => invalid.push(record) }, null);
  const rows: Row[] = [];
  try {
    for await (const _ of scan.batches(({ row }) => rows.push(structuredClone<Row>(row))));
  } finally {
    scan.release();
  }
  return { rows, invalid };
}
