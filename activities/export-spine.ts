import type { CompiledService, ServiceBlock } from '../engine/define/compiled-view.ts';
import { blockOf, viewsOf } from '../engine/define/service-blocks.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { GridOptions, ManifestEntities } from '../engine/training/grid.ts';
import { type LabelOptions, labelsThen } from '../engine/training/label-spine.ts';
import type { TrainingManifest } from '../engine/training/training-types.ts';
import type { ExportInput } from '../workflows/export-training-set/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { viewAsServed } from './service-as-served.ts';

/** What an export is over: as its input says, and where that leaves something out, as the export that is repeated. */
export async function exportSpine(
  deps: Pick<ActivityDeps, 'code' | 'pool' | 'definitions'>,
  input: ExportInput,
  service: CompiledService,
  repeatOf: TrainingManifest | undefined,
  pathOf: (path: string) => string,
): Promise<{ readonly spine: string } | { readonly grid: GridOptions } | { readonly labels: LabelOptions }> {
  const then = repeatOf?.spine;
  if (input.spine != null) return { spine: pathOf(input.spine) };
  const labels = exportLabels(deps.definitions, input, repeatOf);
  if (labels !== null) return { labels };
  const isGiven = input.entities != null || input.entitiesOf != null;
  const entitiesOf = isGiven ? input.entitiesOf : nameThen(then?.grid?.entitiesOf);
  const file = isGiven ? input.entities : then?.path;
  if (!isGiven && then !== undefined && then.grid === undefined && then.path !== null)
    return { spine: pathOf(then.path) };
  const { every = then?.grid?.every, from = then?.grid?.from, to = then?.grid?.to, maxRows } = input;
  if (every === undefined || from === undefined || to === undefined) throw withoutTimes();
  const of =
    entitiesOf == null
      ? { entities: file == null ? undefined : pathOf(file) }
      : { entitiesOf: await blockNamed(deps, entitiesOf, service, then?.grid?.entitiesOf) };
  return { grid: { ...of, every, from, to, maxRows: maxRows ?? undefined } };
}

/** The decisions and labels that an export is over; null: it is over something else. */
function exportLabels(
  { labelSets }: ActivityDeps['definitions'],
  input: ExportInput,
  repeatOf: TrainingManifest | undefined,
): LabelOptions | null {
  const isOther = input.entities != null || input.entitiesOf != null;
  const name = input.labels ?? (isOther ? undefined : repeatOf?.labels?.labelSet);
  if (name == null) return null;
  const labels = labelSets.get(name);
  if (labels === undefined) throw unknownLabelSet(name, [...labelSets.keys()]);
  const then = repeatOf?.labels;
  if (input.labels == null && then !== undefined) return labelsThen(labels, then);
  const { from = '', to = '', asOf, model, variant, shadows } = input;
  return {
    labels,
    from,
    to,
    asOf: asOf ?? undefined,
    model: model ?? undefined,
    variant: variant ?? undefined,
    shadows: shadows ?? undefined,
  };
}

function unknownLabelSet(name: string, known: readonly string[]): MillraceError {
  return new MillraceError(
    'unknown-label-set',
    `no label set "${name}"; known: ${known.length === 0 ? 'none' : known.join(', ')}`,
    {
      remedy: 'Correct the name, or restart the worker with the definitions that have it.',
      httpStatus: 404,
    },
  );
}

function nameThen(then: ManifestEntities | undefined): string | undefined {
  return then?.role ?? then?.view;
}

/** Whose entities are meant: a block of the service or one of its views, by its code; else another view, by what is served of it. */
async function blockNamed(
  deps: Pick<ActivityDeps, 'code' | 'pool' | 'definitions'>,
  name: string,
  service: CompiledService,
  then: ManifestEntities | undefined,
): Promise<ServiceBlock> {
  const block = service.blocks.find((one) => one.name === name);
  if (block !== undefined) return block;
  const own = viewsOf(service).find((view) => view.name === name);
  if (own !== undefined) return blockOf(own);
  const defined = deps.definitions.views.get(name);
  if (defined !== undefined)
    return blockOf(await viewAsServed(deps, defined, then?.view === name ? then.fingerprint : undefined));
  const known = [...deps.definitions.views.keys()].join(', ');
  throw new MillraceError('unknown-view', `no feature view "${name}"; known: ${known === '' ? 'none' : known}`, {
    remedy: 'Correct the name, or restart the worker with the definitions that have it.',
    httpStatus: 404,
  });
}

function withoutTimes(): MillraceError {
  return new MillraceError('bad-grid', 'entities without the times of their rows: every, from and to are needed', {
    remedy:
      'Give every, from and to (CLI: --every 1d --from 2026-01-01 --to 2026-03-01), or the manifest of an export over entities to repeat.',
  });
}
