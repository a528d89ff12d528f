import type { CompiledSource } from '../define/compiled-view.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import type { ReadContext } from './reading.ts';

/** The sources of the views, each once. */
export function sourcesOf({ options }: Pick<ReadContext, 'options'>): CompiledSource[] {
  return [...new Map(options.service.views.map((view) => [view.source.name, view.source])).values()];
}

/** How far each source's log is read: as given, as the manifest to repeat has it, else up to its present end. */
export async function takeCuts({ options }: Pick<ReadContext, 'options'>): Promise<Map<string, Cut | null>> {
  const { cuts, repeatOf, reader, clock } = options;
  const taken = new Map<string, Cut | null>();
  for (const source of sourcesOf({ options })) {
    const given = cuts?.[source.name] ?? repeatOf?.cuts[source.name];
    const none = source.topic === null || reader === null;
    taken.set(source.name, given ?? (none ? null : await takeCut(reader, source.topic, clock)));
  }
  return taken;
}
