import type { LogReader } from '../../engine/topic/log-reader.ts';

/** The JSON of every record of a topic, to its present end, with where it stands. */
export async function* topicRecords(
  reader: LogReader,
  topic: string,
  signal: AbortSignal,
): AsyncGenerator<{ readonly partition: number; readonly offset: number; readonly json: unknown }> {
  const { partitions } = await reader.bounds(topic);
  const read = reader.read({
    topic,
    positions: new Map(partitions.map(({ partition, lowOffset }) => [partition, lowOffset])),
    ends: new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset])),
    signal,
  });
  for await (const { records } of read)
    for (const { partition, offset, value } of records)
      if (value !== null) yield { partition, offset, json: JSON.parse(Buffer.from(value).toString()) };
}
