/** The installation that adds nothing to any name. */
export const DEFAULT_INSTALLATION = 'default';

/** How a name of an installation has to look. */
const INSTALLATION_PATTERN = '[a-z][a-z0-9]{0,15}';

/** The default installation's schemas would be theirs. */
const TAKEN: readonly string[] = ['catalog', 'state', 'sql'];

/** What is asked of a name, for messages. */
export const INSTALLATION_NAME = `"${DEFAULT_INSTALLATION}", or a name ${INSTALLATION_PATTERN} other than ${TAKEN.join(', ')}`;

/** The schemas of a database that are ours. */
export interface SchemaNames {
  /** SQL views and functions, for whoever reads features. */
  readonly surface: string;
  readonly catalog: string;
  readonly state: string;
  /** What the SQL views stand on. */
  readonly sql: string;
}

/** The roles of a database that are ours. None can log in: logins are made members of them. */
export interface RoleNames {
  /** Owns schemas and catalog, and migrates. */
  readonly owner: string;
  /** Makes and owns state tables, SQL views and functions; writes the catalog, and changes none of its tables. */
  readonly worker: string;
  /** Reads states and catalog. */
  readonly server: string;
  /** Uses the SQL views and functions. */
  readonly reader: string;
}

/** Every name by which an installation is told from others that share a namespace, a database, a Kafka or a disk with it. */
export interface InstallationNames {
  readonly name: string;
  readonly schemas: SchemaNames;
  readonly roles: RoleNames;
  /** What the names of its advisory locks begin with. */
  readonly locks: string;
  /** The id of a view's lifecycle: uniqueness of the owner rests on it. */
  lifecycleId(view: string): string;
  /** The id of a source's archive. */
  archiveId(source: string): string;
  /** The id of an audit; `run` tells runs apart. */
  auditId(view: string, run: string): string;
  /** The id of an export; `run` tells runs apart. */
  exportId(service: string, run: string): string;
  /** The id of the Temporal Schedule that audits a view. */
  auditScheduleId(view: string): string;
  /** The view whose lifecycle has this id; null for other ids, and those of other installations. */
  viewOfLifecycle(workflowId: string): string | null;
  /** A view or a source as a value of a search attribute. */
  searchValue(name: string): string;
  /** The task queue of its workflows, made of the one that is set. */
  taskQueue(queue: string): string;
  /** Where reads are logged unless another topic is named. */
  readonly servedTopic: string;
  /** Where models are published. */
  readonly modelsTopic: string;
  /** Where decisions are said unless another topic is named. */
  readonly decisionsTopic: string;
  /** Where outcomes are said unless another topic is named. */
  readonly outcomesTopic: string;
  /** Where alerts are told. */
  readonly alertsTopic: string;
  /** The id of what evaluates monitors: one per installation. */
  readonly monitorsId: string;
  /** Where the pairs of a label set, of decision and outcome, are written. */
  pairsTopic(labelSet: string): string;
  /** The id of the joiner of a label set's pairs. */
  pairsId(labelSet: string): string;
  /** The id of a model's rollout: a model has one at a time. */
  rolloutId(model: string): string;
  /** The id of the training of a model: it has one at a time. */
  trainingId(model: string): string;
  /** The consumer group that shows lag tools how far a version of a view is. */
  consumerGroup(view: string, version: number): string;
  /** Its part of a folder that several may share. */
  folder(path: string): string;
}

/** Whether a text can be the name of an installation. */
export function isInstallationName(text: string): boolean {
  return new RegExp(`^${INSTALLATION_PATTERN}$`).test(text) && !TAKEN.includes(text);
}

/**
 * The names of an installation. The name is checked where it is read (`config/environment.ts`, `createClient`).
 *
 * @param name `default` adds nothing
 * @example
 * installationNames('blue').schemas.catalog; // 'millrace_blue_catalog'
 * installationNames('blue').lifecycleId('route_delays'); // 'blue/feature:route_delays'
 */
export function installationNames(name: string = DEFAULT_INSTALLATION): InstallationNames {
  const isDefault = name === DEFAULT_INSTALLATION;
  const base = isDefault ? 'millrace' : `millrace_${name}`;
  const prefix = isDefault ? '' : `${name}/`;
  const dotted = isDefault ? 'millrace' : `millrace.${name}`;
  const lifecycle = `${prefix}feature:`;
  return {
    name,
    schemas: { surface: base, catalog: `${base}_catalog`, state: `${base}_state`, sql: `${base}_sql` },
    roles: { owner: `${base}_owner`, worker: `${base}_worker`, server: `${base}_server`, reader: `${base}_reader` },
    locks: isDefault ? 'millrace' : `millrace/${name}`,
    lifecycleId: (view) => `${lifecycle}${view}`,
    archiveId: (source) => `${prefix}archive:${source}`,
    auditId: (view, run) => `${prefix}audit:${view}:${run}`,
    exportId: (service, run) => `${prefix}export:${service}:${run}`,
    auditScheduleId: (view) => `${prefix}audit:${view}`,
    viewOfLifecycle: (id) => (id.startsWith(lifecycle) ? id.slice(lifecycle.length) : null),
    searchValue: (value) => `${prefix}${value}`,
    taskQueue: (queue) => `${prefix}${queue}`,
    servedTopic: `${dotted}.served`,
    modelsTopic: `${dotted}.models`,
    decisionsTopic: `${dotted}.decisions`,
    outcomesTopic: `${dotted}.outcomes`,
    alertsTopic: `${dotted}.alerts`,
    monitorsId: `${prefix}monitors`,
    pairsTopic: (labelSet) => `${dotted}.pairs.${labelSet}`,
    pairsId: (labelSet) => `${prefix}pairs:${labelSet}`,
    rolloutId: (model) => `${prefix}rollout:${model}`,
    trainingId: (model) => `${prefix}train:${model}`,
    consumerGroup: (view, version) => `${dotted}.${view}.v${version}`,
    folder: (path) => (isDefault ? path : `${path.replace(/\/+$/, '')}/installation.${name}`),
  };
}

/**
 * The names of the installation whose task queue this is: what workflow code, which knows no environment, goes by.
 *
 * @example
 * installationOfQueue('blue/millrace').name; // 'blue'
 */
export function installationOfQueue(taskQueue: string): InstallationNames {
  return installationNames(new RegExp(`^(${INSTALLATION_PATTERN})/`).exec(taskQueue)?.[1]);
}
