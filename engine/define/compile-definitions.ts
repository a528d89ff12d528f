import { type About, aboutKey, type AboutKind, aboutOf, checkAbout } from './about.ts';
import { checkHistory, type HistoryInspector } from './check-history.ts';
import { compileMonitor } from './compile-monitors.ts';
import { compileSource, type SourceCompilation } from './compile-source.ts';
import { compareElsewhere, type JudgedView } from './compare-elsewhere.ts';
import { checkServices, compileService, derivedTag, probeServices } from './compile-service.ts';
import type { CarriedFiles } from './carried-code.ts';
import { compileEntity, compileView, type KeyPlan } from './compile-view.ts';
import type { CompiledService, CompiledView, Definitions } from './compiled-view.ts';
import { declaredIdentity } from './declared-identity.ts';
import { declaredService } from './declared-service.ts';
import { type Coded, type DefinitionCode, readDefinitionCode, reportUses } from './definition-code.ts';
import { type DefinitionFault, faultReporter, invalidDefinitions } from './definition-fault.ts';
import type { ElsewhereReport } from './elsewhere.ts';
import type { Entity } from './entity.ts';
import type { FeatureService } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import { fingerprintView } from './fingerprint.ts';
import type { AnyLabelSet } from './label-set.ts';
import { compileLabelSets, labelSources } from './label-sets.ts';
import { isDefinition, type LoadedDefinition, type LoadedDefinitions } from './loaded-definitions.ts';
import type { Monitor } from './monitor.ts';
import { SERVED_SOURCE } from './names.ts';
import { probeDerived } from './probe-derived.ts';
import { probePurity } from './probe-purity.ts';
import type { Source } from './source.ts';
import { viewTags } from './view-tags.ts';

export interface CompileOptions {
  /** Looks at a source's history. Without it, history is not looked at. */
  readonly inspectHistory?: HistoryInspector | undefined;
  /** What a second process saw of the same files. Without it, nothing is compared. */
  readonly elsewhere?: (() => Promise<ElsewhereReport>) | undefined;
}

/**
 * Makes definitions ready to run.
 *
 * @throws MillraceError `invalid-definitions` with every fault of every definition at once in `details.faults`.
 * @example
 * const definitions = await compileDefinitions(definitionsInMemory([routeDelays], process.cwd()));
 */
export async function compileDefinitions(
  loaded: LoadedDefinitions,
  options: CompileOptions = {},
): Promise<Definitions> {
  const faults: DefinitionFault[] = [];
  const collected = collect(loaded.definitions, faults);
  const sources = new Map<Source, SourceCompilation>();
  for (const source of collected.sources) {
    const report = faultReporter(faults, 'source', source.name);
    if (source.name === SERVED_SOURCE) {
      report(
        'reserved-name',
        'name',
        `"${SERVED_SOURCE}" is Millrace's own log of served reads`,
        'Give the source another name.',
      );
    }
    sources.set(source, compileSource(source, loaded.baseFolder, report));
  }
  checkTopics(sources, faults);
  const abouts = collectAbouts(collected, faults);
  const entities = new Map<Entity, KeyPlan[]>();
  for (const entity of collected.entities) {
    entities.set(entity, compileEntity(entity, faultReporter(faults, 'entity', entity.name)));
  }
  const serviceParts = checkServices(
    collected.services.keys(),
    { views: new Set(collected.views.keys()), entities },
    faults,
  );
  const judged: JudgedView[] = [];
  for (const [definition, entry] of collected.views) {
    const report = faultReporter(faults, 'feature view', definition.name);
    const source = sources.get(definition.source);
    const keys = entities.get(definition.entity);
    if (source === undefined || keys === undefined) continue;
    const { compiled, functions } = compileView(definition, keys, source, report);
    const { plans, sound } = source;
    if (sound) probePurity(definition, keys, functions, plans, report);
    if (sound && compiled !== null) probeDerived(compiled, report);
    judged.push({ definition, loaded: entry, keys, functions, plans, compiled: sound ? compiled : null });
  }
  const sound = judged.flatMap(({ definition, compiled }) =>
    compiled === null ? [] : [[definition, compiled] as const],
  );
  probeServices(serviceParts, new Map(sound), faults);
  const layouts = new Map(judged.map(({ definition, compiled }) => [definition, compiled?.layout ?? null]));
  const monitors = [...collected.monitors].flatMap(
    (monitor) =>
      compileMonitor(
        monitor,
        { sources, layouts, services: serviceParts },
        faultReporter(faults, 'monitor', monitor.name),
      ) ?? [],
  );
  const inspect = options.inspectHistory;
  const samples = inspect === undefined ? [] : await checkHistory([...sources.values()], inspect, faults);
  const elsewhere = (await options.elsewhere?.()) ?? null;
  if (elsewhere !== null) compareElsewhere(judged, elsewhere, loaded.folder, faults);
  const { globalsChanged } = elsewhere ?? { globalsChanged: true };
  const { codes, files } = await readDefinitionCode(coded(collected), loaded, { globalsChanged }, faults);
  const labelSets = compileLabelSets(collected.labelSets.keys(), sources, codes, faults);
  reportUses(codes, loaded.folder, faults);
  if (faults.length > 0) throw invalidDefinitions(faults);

  const carriedFiles = (entry: LoadedDefinition, code: DefinitionCode | null): CarriedFiles | undefined => {
    const { file, exportName } = entry;
    const { folder, baseFolder } = loaded;
    return code === null || file === null
      ? undefined
      : { entry: { file, exportName }, folder, baseFolder, files, globalsChanged, code };
  };
  const views = new Map<string, CompiledView>();
  const byDefinition = new Map<FeatureView, CompiledView>();
  for (const { definition, compiled: view, plans, loaded: entry } of judged) {
    if (view === null) continue;
    const code = codes.get(definition) ?? null;
    const input = { definition, view, plans, code };
    const own = carriedFiles(entry, code);
    const carried = own && { ...own, plans, declared: declaredIdentity(definition, view, plans) };
    const fingerprint = fingerprintView(input);
    const tags = viewTags(input);
    const { slots: _, ...rest } = view;
    const before = { definition, view, plans, loaded: entry, folder: loaded.folder };
    const fingerprintBefore = async (): Promise<string> => {
      // Rarely asked, and its bundler is slow to load.
      const { formerFingerprint } = await import('./former-fingerprint.ts');
      return formerFingerprint(before);
    };
    const ready: CompiledView = Object.freeze({ ...rest, fingerprint, tags, fingerprintBefore, carried });
    views.set(view.name, ready);
    byDefinition.set(definition, ready);
  }
  const services = new Map<string, CompiledService>();
  for (const [service, parts] of serviceParts) {
    const compiled = compileService(service, byDefinition, parts);
    const code = codes.get(service) ?? null;
    const own = carriedFiles(collected.services.get(service)!, code);
    const carried = own === undefined ? {} : { carried: { ...own, declared: declaredService(compiled) } };
    services.set(service.name, { ...compiled, ...derivedTag(parts, code), ...carried });
  }
  return {
    folder: loaded.folder,
    baseFolder: loaded.baseFolder,
    views,
    services,
    sources: new Map([...sources.values()].map(({ source }) => [source.name, source])),
    labelSets,
    monitors,
    abouts,
    samples,
  };
}

/** Views, the services that derive features, and label sets: what has code of its own. */
function coded({ views, services, labelSets }: Collected): ReadonlyMap<Coded, LoadedDefinition> {
  const deriving = [...services].filter(([{ derived }]) => (derived ?? []).length > 0);
  return new Map<Coded, LoadedDefinition>([...views, ...deriving, ...labelSets]);
}

interface Collected {
  readonly entities: ReadonlySet<Entity>;
  readonly sources: ReadonlySet<Source>;
  readonly views: ReadonlyMap<FeatureView, LoadedDefinition>;
  readonly services: ReadonlyMap<FeatureService, LoadedDefinition>;
  readonly labelSets: ReadonlyMap<AnyLabelSet, LoadedDefinition>;
  readonly monitors: ReadonlySet<Monitor>;
}

/** Gathers what is exported and what views refer to, and reports names that two different definitions of a kind share. */
function collect(definitions: readonly LoadedDefinition[], faults: DefinitionFault[]): Collected {
  const entities = new Set<Entity>();
  const sources = new Set<Source>();
  const views = new Map<FeatureView, LoadedDefinition>();
  const services = new Map<FeatureService, LoadedDefinition>();
  const labelSets = new Map<AnyLabelSet, LoadedDefinition>();
  const monitors = new Set<Monitor>();
  for (const entry of definitions) {
    const { value } = entry;
    if (value.kind === 'entity') entities.add(value);
    else if (value.kind === 'source') sources.add(value);
    else if (value.kind === 'monitor') monitors.add(value);
    else if (value.kind === 'feature-service') {
      if (!services.has(value)) services.set(value, entry);
    } else if (value.kind === 'label-set') {
      if (!labelSets.has(value)) labelSets.set(value, entry);
    } else if (!views.has(value)) views.set(value, entry);
  }
  for (const view of views.keys()) {
    const report = faultReporter(faults, 'feature view', view.name);
    for (const part of ['entity', 'source'] as const) {
      const given: unknown = view[part];
      if (!isDefinition(given) || given.kind !== part) {
        report(
          part === 'entity' ? 'no-entity' : 'no-source',
          part,
          `expected what ${part}(...) returns, received ${typeof given}`,
          `Define it with ${part}(...); an import cycle makes it undefined.`,
        );
      } else if (given.kind === 'entity') entities.add(given);
      else if (given.kind === 'source') sources.add(given);
    }
  }
  for (const labels of labelSets.keys())
    for (const source of labelSources(labels, faultReporter(faults, 'label set', labels.name))) sources.add(source);
  reportDuplicates('entity', entities, faults);
  reportDuplicates('source', sources, faults);
  reportDuplicates('feature view', views.keys(), faults);
  reportDuplicates('feature service', services.keys(), faults);
  reportDuplicates('label set', labelSets.keys(), faults);
  reportDuplicates('monitor', monitors, faults);
  return { entities, sources, views, services, labelSets, monitors };
}

/** What is told of definitions. */
function collectAbouts(collected: Collected, faults: DefinitionFault[]): Map<string, About> {
  const abouts = new Map<string, About>();
  const add = (kind: AboutKind, name: string, about: About | undefined): void => {
    checkAbout(about, faultReporter(faults, kind, name));
    if (about !== undefined) abouts.set(aboutKey(kind, name), about);
  };
  for (const { name, about } of collected.entities) add('entity', name, about);
  for (const { name, options } of collected.sources) add('source', name, aboutOf(options));
  for (const { name, about } of collected.views.keys()) add('feature view', name, about);
  for (const { name, options } of collected.services.keys()) add('feature service', name, aboutOf(options));
  for (const { name, options } of collected.labelSets.keys()) add('label set', name, aboutOf(options));
  return abouts;
}

function reportDuplicates(
  kind: string,
  definitions: Iterable<{ readonly name: string }>,
  faults: DefinitionFault[],
): void {
  const seen = new Set<string>();
  for (const { name } of definitions) {
    if (seen.has(name)) {
      faultReporter(faults, kind, name)(
        'duplicate-name',
        'name',
        `two different definitions of kind ${kind} are called "${name}"`,
        'Rename one of them.',
      );
    }
    seen.add(name);
  }
}

/** Two sources over one topic would give each other's records to the dead letters. */
function checkTopics(sources: ReadonlyMap<Source, SourceCompilation>, faults: DefinitionFault[]): void {
  const owners = new Map<string, string>();
  for (const { source } of sources.values()) {
    if (source.topic === null) continue;
    const owner = owners.get(source.topic);
    if (owner === undefined) owners.set(source.topic, source.name);
    else if (owner !== source.name) {
      faultReporter(faults, 'source', source.name)(
        'duplicate-topic',
        'topic',
        `topic "${source.topic}" already belongs to source ${owner}`,
        'Use one source for a topic, and `where` in the views.',
      );
    }
  }
}
