import { MillraceError } from '../engine/errors/millrace-error.ts';
import { catalog, run } from '../engine/postgres/catalog.ts';
import type { ArchivePlan } from '../workflows/archive-source/contract.ts';
import { type ActivityDeps, sourceNamed } from './activity-deps.ts';

/** Says what there is to archive of a source. Throws `unknown-source`, `source-without-topic`. */
export async function resolveSource(deps: ActivityDeps, input: { readonly source: string }): Promise<ArchivePlan> {
  const { name, topic } = sourceNamed(deps, input.source);
  if (topic === null) {
    throw new MillraceError('source-without-topic', `source "${name}" has no topic: there is nothing to archive`, {
      remedy: 'Give the source a topic, or leave it: its history is its whole log.',
      httpStatus: 409,
    });
  }
  return { source: name, topic, generation: await archiveGeneration(deps, name) };
}

/** The highest fencing generation any archiver of the source has had: a new owner must begin above it. */
export async function archiveGeneration({ pool }: ActivityDeps, source: string): Promise<number> {
  const [row] = await run(
    pool,
    catalog
      .selectFrom('millrace_catalog.archive_offset')
      .select((eb) => eb.fn.max('generation').as('generation'))
      .where('source', '=', source),
  );
  return row?.generation ?? 0;
}
