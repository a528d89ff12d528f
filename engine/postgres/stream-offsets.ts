import type { LogCounts } from '../admission/log-counts.ts';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';

const OFFSETS = 'stream_offset';

/** Where the stream of one version stands in one partition. */
export interface StreamOffset {
  readonly view: string;
  readonly version: number;
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
  /** Real end of the partition as last seen, open transactions included; lag is `endOffset - nextOffset`. */
  readonly endOffset: number;
  readonly generation: number;
  readonly attemptMs: number;
  readonly owner: string | null;
  readonly watermarkUs: number | null;
  readonly clusterId: string;
  readonly anchorOffset: number | null;
  readonly anchorDigest: Uint8Array | null;
  /** Where the records of this partition went since the cut. */
  readonly counts: Partial<LogCounts>;
  /** Whether a record of the partition has reached dedupe. */
  readonly begun: boolean;
  /** Verdicts of its last records, as `VerdictRing` packs them; null: none yet. */
  readonly verdicts: Uint8Array | null;
  /** More than half of its last records are invalid. */
  readonly mostlyInvalid: boolean;
  readonly updatedAtUs: number;
}

/** A start offset, written with the version it belongs to. */
export type NewStreamOffset = Pick<
  StreamOffset,
  | 'view'
  | 'version'
  | 'topic'
  | 'partition'
  | 'nextOffset'
  | 'endOffset'
  | 'watermarkUs'
  | 'clusterId'
  | 'anchorOffset'
  | 'anchorDigest'
  | 'begun'
  | 'verdicts'
  | 'mostlyInvalid'
>;

/** Inserts the start offsets of a version's stream. */
export async function insertStreamOffsets(client: Queryable, offsets: readonly NewStreamOffset[]): Promise<void> {
  if (offsets.length === 0) return;
  await run(
    client,
    catalog.insertInto(OFFSETS).values(
      offsets.map((offset) => ({
        view: offset.view,
        version: offset.version,
        topic: offset.topic,
        partition: offset.partition,
        next_offset: offset.nextOffset,
        end_offset: offset.endOffset,
        watermark_us: offset.watermarkUs,
        cluster_id: offset.clusterId,
        anchor_offset: offset.anchorOffset,
        anchor_digest: offset.anchorDigest === null ? null : Buffer.from(offset.anchorDigest),
        begun: offset.begun,
        verdicts: offset.verdicts === null ? null : Buffer.from(offset.verdicts),
        mostly_invalid: offset.mostlyInvalid,
      })),
    ),
  );
}

/** The stream offsets of a version, by topic and partition. */
export async function streamOffsets(on: Queryable, view: string, version: number): Promise<StreamOffset[]> {
  const rows = await run(
    on,
    catalog
      .selectFrom(OFFSETS)
      .selectAll()
      .where('view', '=', view)
      .where('version', '=', version)
      .orderBy('topic')
      .orderBy('partition'),
  );
  return rows.map((row) => ({
    view: row.view,
    version: row.version,
    topic: row.topic,
    partition: row.partition,
    nextOffset: row.next_offset,
    endOffset: row.end_offset,
    generation: row.generation,
    attemptMs: row.attempt_ms,
    owner: row.owner,
    watermarkUs: row.watermark_us,
    clusterId: row.cluster_id,
    anchorOffset: row.anchor_offset,
    anchorDigest: row.anchor_digest,
    counts: row.counts,
    begun: row.begun,
    verdicts: row.verdicts,
    mostlyInvalid: row.mostly_invalid,
    updatedAtUs: row.updated_at,
  }));
}
