import { Argument, type Command } from 'commander';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { listEntities, listLabelSets, listServices, listSources } from '../../engine/define/list-definitions.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { observedReads } from '../../engine/define/observed-reads.ts';
import { describePlan } from '../../engine/define/plan.ts';
import { absenceText } from '../absence-text.ts';
import { blockTexts } from '../block-text.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';

const LISTS = {
  entities: entityList,
  sources: sourceList,
  services: serviceList,
  views: viewList,
  'label-sets': labelSetList,
} as const satisfies Record<string, (definitions: Definitions) => List>;

type ListName = keyof typeof LISTS;

/** A list for people, and the same for machines. */
interface List {
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  readonly json: readonly object[];
}

/** `millrace list entities|sources|services|views|label-sets`: what the definitions define. */
export function addListCommand(program: Command): void {
  const command = program
    .command('list')
    .addArgument(new Argument('<what>').choices(Object.keys(LISTS)))
    .description(
      'the entities, sources, services, views or label sets that the definitions define; no service is needed',
    );
  withCommonOptions(command).action(async (what: ListName, options: CommonOptions) => {
    const { output, features } = contextOf(options);
    const { head, rows, json } = LISTS[what](await loadDefinitions(features));
    if (output.isJson) output.json(json);
    else if (rows.length === 0) output.line(`no ${what.replace('-', ' ')} in ${features}`);
    else output.table(head, rows);
  });
}

function entityList({ views }: Definitions): List {
  const json = listEntities([...views.values()].map(({ layout }) => layout));
  const rows = json.map((row) => [row.entity, keysOf(row.keys), row.views.join(', ')]);
  return { head: ['entity', 'keys', 'views'], rows, json };
}

/** Those that no view reads, too. */
function sourceList({ views, sources }: Definitions): List {
  const read = [...views.values()].map(({ name, source }) => ({
    view: name,
    source: source.name,
    topic: source.topic,
  }));
  const readers = new Map(listSources(read).map((row) => [row.source, row.views]));
  const json = [...sources.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, topic, history, eventTimeField, eventIdField }) => ({
      source: name,
      topic,
      history: history?.path ?? null,
      eventTime: eventTimeField,
      eventId: eventIdField,
      views: readers.get(name) ?? [],
    }));
  const rows = json.map((row) => [
    row.source,
    row.topic,
    row.history,
    row.eventTime,
    row.eventId,
    row.views.join(', '),
  ]);
  return { head: ['source', 'topic', 'history', 'event time', 'event id', 'views'], rows, json };
}

function serviceList({ services }: Definitions): List {
  const json = listServices(services).map((row) => {
    const reads = observedReads(services.get(row.service)!);
    return { ...row, derived: row.derived.map((one) => ({ ...one, observedReads: reads.get(one.name) })) };
  });
  const rows = json.map(({ service, blocks, request, derived }) => {
    const named = Object.fromEntries(blocks.map(({ name, view, keys }) => [name, { view, columns: keys }]));
    return [service, blockTexts(named).join(', '), keysOf(request), keysOf(derived)];
  });
  return { head: ['service', 'views', 'request', 'derived'], rows, json };
}

function viewList(definitions: Definitions): List {
  const json = describePlan(definitions)
    .map(({ view, entity, keys, source, services, features, fingerprint }) => ({
      view,
      entity,
      keys,
      source,
      services,
      features: features.map(({ name, type }) => ({ name, type })),
      fingerprint,
    }))
    .toSorted((a, b) => (a.view < b.view ? -1 : 1));
  const rows = json.map((row) => [
    row.view,
    row.entity,
    row.source,
    row.features.length,
    row.services.join(', '),
    row.fingerprint.slice(0, 12),
  ]);
  return { head: ['view', 'entity', 'source', 'features', 'services', 'fingerprint'], rows, json };
}

function labelSetList({ labelSets }: Definitions): List {
  const json = listLabelSets(labelSets);
  const rows = json.map((row) => [
    row.labelSet,
    row.decisions,
    row.outcomes,
    row.joinedBy,
    row.matureAfter,
    row.reduce,
    absenceText(row.absent),
    row.tag,
  ]);
  const head = ['label set', 'decisions', 'outcomes', 'joined by', 'mature after', 'reduce', 'absent', 'tag'];
  return { head, rows, json };
}

function keysOf(keys: readonly { readonly name: string; readonly type: string }[]): string {
  return keys.map(({ name, type }) => `${name} ${type}`).join(', ');
}
