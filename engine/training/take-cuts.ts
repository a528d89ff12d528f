import type { CompiledSource, CompiledView } from '../define/compiled-view.ts';
import { viewsOf } from '../define/service-blocks.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ReadContext } from './reading.ts';

/** The sources of the views, each once. */
export function sourcesOf({ options }: Pick<ReadContext, 'options'>): CompiledSource[] {
  return [...new Map(viewsOf(options.service).map((view) => [view.source.name, view.source])).values()];
}

/** How far each source's log is read: as given, as the manifest to repeat has it, else up to its present end. */
export async function takeCuts({ options }: Pick<ReadContext, 'options'>): Promise<Map<string, Cut | null>> {
  const taken = new Map<string, Cut | null>();
  for (const source of sourcesOf({ options })) {
    refuseOtherTopics(source, viewsOf(options.service));
    taken.set(source.name, await takeSourceCut({ options }, source, options.repeatOf?.cuts[source.name]));
  }
  return taken;
}

/** How far one source's log is read: as given, as it was `then`, else up to its present end; null: it has no topic that can be read. */
export async function takeSourceCut(
  { options: { cuts, reader, clock } }: Pick<ReadContext, 'options'>,
  { name, topic }: CompiledSource,
  then?: Cut | null,
): Promise<Cut | null> {
  const given = cuts?.[name] ?? then ?? null;
  if (given !== null) return given;
  return topic === null || reader === null ? null : await takeCut(reader, topic, clock);
}

/** A cut is of a source by its name: versions of two definitions of it may read one topic, not two. */
function refuseOtherTopics({ name, topic }: CompiledSource, views: readonly CompiledView[]): void {
  const other = views.find(({ source }) => source.name === name && source.topic !== topic);
  if (other === undefined) return;
  throw new MillraceError(
    'source-ambiguous',
    `source "${name}" is the topic "${other.source.topic}" to view "${other.name}" as it is served, and "${topic}" to another view of the service`,
    {
      remedy:
        'Build the views anew by the present definitions ("millrace apply", then approve), and export then; or export them as services of their own.',
      httpStatus: 409,
      details: { source: name, topics: [topic, other.source.topic] },
    },
  );
}
