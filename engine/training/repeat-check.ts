import type { CompiledService } from '../define/compiled-view.ts';
import { FIRST_SEMANTICS, isRetired } from '../define/semantics.ts';
import { blockText } from '../define/service-blocks.ts';
import { ENGINE_SEMANTICS } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ManifestGrid } from './grid.ts';
import { labelsText } from './label-spine.ts';
import { entitiesOfText } from './load-grid.ts';
import { derivedColumns, derivesRows, requestColumns } from './feature-columns.ts';
import type { ResultType } from '../values/result-type.ts';
import { nameOfType } from '../values/type-name.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import type { ManifestView, TrainingManifest, TrainingMode } from './training-types.ts';

/**
 * Refuses to repeat an export whose mode, views or spine are no longer what the manifest says, or that earlier semantics of the engine
 * made. Throws `semantics-retired`, `training-set-changed`.
 */
export function checkRepeatable(
  manifest: TrainingManifest,
  service: CompiledService,
  spine: Pick<
    PreparedSpine,
    'sha256' | 'timeColumn' | 'requestColumn' | 'timeZone' | 'timeAt' | 'sample' | 'grid' | 'labels'
  >,
  mode: TrainingMode,
  split: number | null,
): void {
  const semantics = manifest.semantics ?? FIRST_SEMANTICS;
  if (isRetired(semantics)) throw madeBefore(semantics);
  const changed: string[] = [];
  if (manifest.mode !== mode) changed.push(`mode: then "${manifest.mode}", now "${mode}"`);
  if (manifest.service !== service.name) changed.push(`service: then "${manifest.service}", now "${service.name}"`);
  const before = new Map(manifest.views.map((one) => [blockText(blockThen(one)), one]));
  for (const block of service.blocks) {
    const text = blockText(block);
    const then = before.get(text);
    const { fingerprint } = block.view;
    if (then === undefined) changed.push(`${text}: not part of the service then`);
    else if (then.fingerprint !== fingerprint) {
      changed.push(`${text}: then fingerprint ${then.fingerprint.slice(0, 12)}, now ${fingerprint.slice(0, 12)}`);
    } else if ((then.columns ?? then.keys).join() !== block.columns.join()) {
      changed.push(`${text}: then by ${(then.columns ?? then.keys).join(', ')}, now by ${block.columns.join(', ')}`);
    }
    before.delete(text);
  }
  for (const text of before.keys()) changed.push(`${text}: no longer part of the service`);
  const tagThen = manifest.derived?.tag ?? null;
  const tagNow = derivesRows({ service }, spine.requestColumn) ? (service.derivedTag ?? null) : null;
  if (tagThen !== tagNow)
    changed.push(`what the service derives: then ${tagThen ?? 'nothing'}, now ${tagNow ?? 'nothing'}`);
  if (spine.requestColumn !== null) {
    const { features = [], request = [], requestTypes } = manifest.derived ?? {};
    const asked = request.map((column, index) => columnText(column, requestTypes?.[index]));
    const columnsThen = [...features.map(({ column, type }) => columnText(column, type)), ...asked].join(', ');
    const columnsNow = [
      ...derivedColumns(service).map(({ column, feature }) => columnText(column, feature.result)),
      ...requestColumns(service).map(({ column, feature }) => columnText(column, requestTypes && feature.result)),
    ].join(', ');
    if (columnsThen !== columnsNow)
      changed.push(`columns of the service itself: then ${columnsThen || 'none'}, now ${columnsNow || 'none'}`);
  }
  const { sha256, timeColumn, timeZone = 'UTC', timeAt = 'start' } = manifest.spine;
  if (labelsText(manifest.labels) !== labelsText(spine.labels))
    changed.push(`rows: then ${labelsText(manifest.labels)}, now ${labelsText(spine.labels)}`);
  if (gridText(manifest.spine.grid) !== gridText(spine.grid))
    changed.push(`rows: then ${gridText(manifest.spine.grid)}, now ${gridText(spine.grid)}`);
  else if (sha256 !== spine.sha256) changed.push(`spine: then sha-256 ${sha256}, now ${spine.sha256}`);
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

/** @param type left out of older manifests, of what was asked */
function columnText(column: string, type: ResultType | undefined): string {
  if (type === undefined) return column;
  return `${column} (${type.kind === 'enum' ? `enum of ${type.values.join(', ')}` : nameOfType(type)})`;
}

function blockThen({ view, role }: Pick<ManifestView, 'view' | 'role'>): Parameters<typeof blockText>[0] {
  return { name: role ?? view, view: { name: view } };
}

/** What rows are made of, for messages: what is told apart differs. */
function gridText(grid: ManifestGrid | null | undefined): string {
  if (grid == null) return 'of a file of labels';
  const { entitiesOf, every, from, to } = grid;
  const whose =
    entitiesOf === undefined
      ? 'of a file of entities'
      : `${entitiesOfText(blockThen(entitiesOf))} (fingerprint ${entitiesOf.fingerprint.slice(0, 12)})`;
  return `${whose}, every ${every} from ${from} to ${to}`;
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
