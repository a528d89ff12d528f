import type { CompiledService } from '../define/compiled-view.ts';
import { FIRST_SEMANTICS, isRetired } from '../define/semantics.ts';
import { ENGINE_SEMANTICS } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import type { TrainingManifest, TrainingMode } from './training-types.ts';

/**
 * Refuses to repeat an export whose mode, views or spine are no longer what the manifest says, or that earlier semantics of the engine
 * made. Throws `semantics-retired`, `training-set-changed`.
 */
export function checkRepeatable(
  manifest: TrainingManifest,
  service: CompiledService,
  spine: Pick<PreparedSpine, 'sha256' | 'timeColumn' | 'timeZone' | 'timeAt' | 'sample'>,
  mode: TrainingMode,
  split: number | null,
): void {
  const semantics = manifest.semantics ?? FIRST_SEMANTICS;
  if (isRetired(semantics)) throw madeBefore(semantics);
  const changed: string[] = [];
  if (manifest.mode !== mode) changed.push(`mode: then "${manifest.mode}", now "${mode}"`);
  if (manifest.service !== service.name) changed.push(`service: then "${manifest.service}", now "${service.name}"`);
  const fingerprints = new Map(manifest.views.map((view) => [view.view, view.fingerprint]));
  for (const view of service.views) {
    const fingerprint = fingerprints.get(view.name);
    if (fingerprint === undefined) changed.push(`view "${view.name}": not part of the service then`);
    else if (fingerprint !== view.fingerprint) {
      changed.push(
        `view "${view.name}": then fingerprint ${fingerprint.slice(0, 12)}, now ${view.fingerprint.slice(0, 12)}`,
      );
    }
    fingerprints.delete(view.name);
  }
  for (const name of fingerprints.keys()) changed.push(`view "${name}": no longer part of the service`);
  const { sha256, timeColumn, timeZone = 'UTC', timeAt = 'start' } = manifest.spine;
  if (sha256 !== spine.sha256) changed.push(`spine: then sha-256 ${sha256}, now ${spine.sha256}`);
  const then = { timeColumn, timeZone, timeAt };
  for (const name of ['timeColumn', 'timeZone', 'timeAt'] as const) {
    if (then[name] !== spine[name])
      changed.push(`${name}: then ${JSON.stringify(then[name])}, now ${JSON.stringify(spine[name])}`);
  }
  const sampleOf = (sample: TrainingManifest['sample'] | null): string =>
    sample == null ? 'none' : `${sample.fraction} by ${sample.by.join(', ')}`;
  if (sampleOf(manifest.sample) !== sampleOf(spine.sample))
    changed.push(`sample: then ${sampleOf(manifest.sample)}, now ${sampleOf(spine.sample)}`);
  const splitThen = manifest.split?.fraction ?? null;
  if (splitThen !== split) changed.push(`split: then ${splitThen ?? 'none'}, now ${split ?? 'none'}`);
  refuse(changed);
}

function madeBefore(semantics: number): MillraceError {
  return new MillraceError(
    'semantics-retired',
    `the export was made with semantics ${semantics} of the engine and cannot be repeated with the present ones, ${ENGINE_SEMANTICS}`,
    { remedy: 'Keep the file that was made then, or export anew without repeatOf (CLI: --repeat).', httpStatus: 409 },
  );
}

function refuse(changed: readonly string[]): void {
  if (changed.length === 0) return;
  throw new MillraceError('training-set-changed', `the export cannot be repeated exactly: ${changed.join('; ')}`, {
    remedy: 'Export anew without repeatOf (CLI: --repeat), or go back to the definitions and files of then.',
    httpStatus: 409,
  });
}
