import { oneAtATime } from '../engine/archive/one-at-a-time.ts';
import { healModel, type Healed, type HealOptions, needsHealing } from '../engine/models/heal-models.ts';
import { removeAbandoned } from '../engine/models/model-archive.ts';
import { Repeated } from '../engine/slice/repeated.ts';

export interface TendModelsOptions extends Omit<HealOptions, 'signal' | 'model'> {
  readonly everyMs: number;
  /** Told of each version that topic or archive had lost, and what became of it. */
  readonly onHealed: (healed: Healed) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Gives the topic of models and the archive's folder what either lost of the other, again and again, while a worker runs; of models in use, and by one
 * worker at a time; what died while it wrote there goes, a day later. Where nothing is missing it asks for bounds and sizes alone.
 *
 * @example
 * const tender = tendModels({ ...places, everyMs: 60_000, onHealed, onError });
 * tender.start();
 */
export function tendModels({ everyMs, onHealed, onError, ...options }: TendModelsOptions): Repeated {
  const run = async (signal: AbortSignal): Promise<void> => {
    await removeAbandoned(options.archiveDir, options.clock.nowUs() / 1000);
    if ((await needsHealing(options)).length === 0) return;
    await oneAtATime(options.pool, 'models', async () => {
      // Another worker may have healed some of them meanwhile.
      for (const version of await needsHealing(options)) {
        try {
          const healed = await healModel({ ...options, signal }, version);
          if (healed.outcome !== 'whole') onHealed(healed);
        } catch (error) {
          if (signal.aborted) throw error;
          onError(error); // the others are healed all the same
        }
      }
    });
  };
  return new Repeated({ run, everyMs, onError });
}
