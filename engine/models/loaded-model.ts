import type { FeatureTags } from '../define/feature-lock.ts';
import type { MillraceError } from '../errors/millrace-error.ts';
import type { ModelMetrics, ModelSignature, ModelVersion } from '../postgres/model-versions.ts';
import { fetchModel, type ModelPlaces } from './fetch-model.ts';
import { modelNotDecoded } from './model-errors.ts';

/** What is told of a version beside its bytes. */
export interface ModelAbout {
  readonly model: string;
  readonly version: number;
  /** 64 hex digits. */
  readonly sha256: string;
  readonly service: string;
  /** View to feature to tag: what it was trained on. */
  readonly features: Readonly<Record<string, FeatureTags>>;
  /** What it takes: the columns of its training set, in order, each with its type. */
  readonly signature: ModelSignature;
  readonly metrics: ModelMetrics | null;
  /** UTC epoch µs. */
  readonly publishedAtUs: number;
}

/** A model as an application holds it: one object, never changed. The next version is another one. */
export interface LoadedModel<Value> extends ModelAbout {
  /** What `decode` made of its bytes. */
  readonly value: Value;
}

/** A version that is not taken, and why. */
export interface RefusedModel {
  readonly version: number;
  readonly error: MillraceError;
}

/** Makes of the bytes what the application calls. */
export type DecodeModel<Value> = (bytes: Uint8Array, about: ModelAbout) => Value | Promise<Value>;

/** What tells a version from another that came to have its number: in a database that was put back from a copy. */
export type ModelIdentity = Pick<ModelVersion, 'version' | 'sha256'>;

/** Whether two are one version, by its bytes too. */
export function isSameModel(known: ModelIdentity | null, { version, sha256 }: ModelIdentity): boolean {
  return known?.version === version && known.sha256 === sha256;
}

/**
 * A version, whole and decoded, as one frozen object.
 *
 * @throws MillraceError `model-lost`, `model-not-decoded`; what Kafka throws while it is away; the signal's reason once it is aborted, whether `decode` ends
 * or not
 */
export async function loadModel<Value>(
  places: ModelPlaces,
  version: ModelVersion,
  decode: DecodeModel<Value>,
  signal: AbortSignal,
): Promise<LoadedModel<Value>> {
  const bytes = await fetchModel(places, version, signal);
  const about = aboutOf(version);
  let value: Value;
  try {
    value = await unlessAborted(async () => await decode(bytes, about), signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw modelNotDecoded(version, cause);
  }
  signal.throwIfAborted();
  return Object.freeze({ ...about, value });
}

/** What work gives; or what the signal says, whether the work ends or not. */
function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    void work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop));
  });
}

function aboutOf({
  model,
  version,
  sha256,
  service,
  features,
  signature,
  metrics,
  publishedAtUs,
}: ModelVersion): ModelAbout {
  return { model, version, sha256, service, features, signature, metrics, publishedAtUs };
}
