import type { ModelChange } from '../../engine/models/model-fit.ts';
import type { ModelVersion } from '../../engine/postgres/model-versions.ts';
import { isoMicros } from '../output.ts';

/** A version of a model for machines, its lineage left out. */
export function versionJson(one: ModelVersion): object {
  return {
    model: one.model,
    version: one.version,
    state: one.state,
    sha256: one.sha256,
    size_bytes: one.sizeBytes,
    service: one.service,
    features: one.features,
    derived: one.derived,
    metrics: one.metrics,
    actor: one.actor,
    published_at: isoMicros(one.publishedAtUs),
  };
}

/** A version with all that is known of it. */
export function wholeVersionJson(one: ModelVersion): object {
  const { topic, clusterId, fromOffset, untilOffset, chunks, publishId } = one;
  return {
    ...versionJson(one),
    signature: one.signature,
    lineage: one.lineage,
    place: {
      topic,
      cluster_id: clusterId,
      from_offset: fromOffset,
      until_offset: untilOffset,
      chunks,
      publish_id: publishId,
    },
  };
}

export function changesJson(changes: readonly ModelChange[]): object[] {
  return changes.map(({ view, feature, trained, served }) => ({ view, feature, trained, served }));
}
