import { randomUUID } from 'node:crypto';
import { publishModel } from '../engine/models/publish-model.ts';
import { readManifest, readModelMetrics } from '../engine/models/read-manifest.ts';
import { kafkaNotConfigured } from '../engine/topic/topic-errors.ts';
import type { PublishTrainedInput } from '../workflows/train-model/calls.ts';
import type { PublishedSummary } from '../workflows/train-model/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { STILL_FOR_MS, withPulse } from './heartbeat.ts';
import { trainingFiles } from './training-files.ts';

/** Publishes what a training left. The same model of the same training set is the same version, however often this is done. */
export async function publishTrained(deps: ActivityDeps, input: PublishTrainedInput): Promise<PublishedSummary> {
  const files = trainingFiles(deps.archiveDir, input);
  const { model, service, hasMetrics, alias, actor } = input;
  const { models, reader, pool, archiveDir, clock } = deps;
  if (models == null || reader === null) throw kafkaNotConfigured('a model is to be published');
  await models.ensureTopic();
  const [trainedOn, metrics] = await Promise.all([
    readManifest(files.manifest),
    hasMetrics ? readModelMetrics(files.metrics) : null,
  ]);
  const { version, isNew, unannounced } = await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) =>
    publishModel({
      pool,
      reader,
      writer: models.writer,
      topic: models.topic,
      archiveDir,
      clock,
      newId: randomUUID,
      model,
      file: files.model,
      service,
      trainedOn,
      metrics,
      actor,
      alias: alias === 'none' ? null : alias,
      onProgress: ({ step, bytes, totalBytes }) => pulse.report({ phase: step, bytes, totalBytes }),
      signal: pulse.signal,
    }),
  );
  return {
    version: version.version,
    isNew,
    sha256: version.sha256,
    alias,
    unannounced: unannounced === null ? null : unannounced.message,
  };
}
