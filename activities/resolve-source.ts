import { catalog, run } from '../engine/postgres/catalog.ts';
import { topicOf } from '../engine/topic/topic-of.ts';
import type { ArchivePlan } from '../workflows/archive-source/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { sourceNamed } from './source-named.ts';

/** Says what there is to archive of a source. Throws `unknown-source`, `source-without-topic`. */
export async function resolveSource(deps: ActivityDeps, input: { readonly source: string }): Promise<ArchivePlan> {
  const source = await sourceNamed(deps, input.source);
  const { name } = source;
  return { source: name, topic: topicOf(source, 'to archive'), generation: await archiveGeneration(deps, name) };
}

/** The highest fencing generation any archiver of the source has had: a new owner must begin above it. */
export async function archiveGeneration({ pool }: ActivityDeps, source: string): Promise<number> {
  const [row] = await run(
    pool,
    catalog
      .selectFrom('archive_offset')
      .select((eb) => eb.fn.max('generation').as('generation'))
      .where('source', '=', source),
  );
  return row?.generation ?? 0;
}
