import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { grpcStatusName } from '../engine/faults/temporal-faults.ts';
import { grpcFailure } from './temporal-error.ts';
import { type TemporalSettings, temporalConnectionOptions } from './temporal-settings.ts';

/** `temporal.api.enums.v1.IndexedValueType` of the wire. */
const KEYWORD = 2;
const INT = 3;
const KEYWORD_LIST = 7;
/** As the command names them. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  [KEYWORD]: 'Keyword',
  [INT]: 'Int',
  [KEYWORD_LIST]: 'KeywordList',
};

/** The search attributes that the workflows set: where Temporal keeps lists in SQL, a namespace has room for ten keywords and three lists of them; a workflow task that sets one that is not registered fails for ever. */
const SEARCH_ATTRIBUTES: Readonly<Record<string, number>> = {
  FeatureView: KEYWORD,
  FeaturePhase: KEYWORD,
  FeatureVersion: INT,
  FeatureParity: KEYWORD,
  ArchiveSource: KEYWORD,
  ArchivePhase: KEYWORD,
  RolloutModel: KEYWORD,
  RolloutPhase: KEYWORD,
  TrainingModel: KEYWORD,
  TrainingPhase: KEYWORD,
  Pairs: KEYWORD_LIST,
};

/** What a Temporal answers whose operator service is closed to this user, or not offered at all. */
const CLOSED: readonly string[] = ['PERMISSION_DENIED', 'UNAUTHENTICATED', 'UNIMPLEMENTED'];

/**
 * Registers Millrace's search attributes in the namespace, those that are not there yet. Where an administrator made them, this needs no right to the
 * operator service.
 *
 * @throws MillraceError `search-attribute-conflict`, `search-attributes-not-registered`
 */
export async function registerSearchAttributes(settings: TemporalSettings): Promise<void> {
  const connection = await Connection.connect({ ...temporalConnectionOptions(settings), connectTimeout: '5s' });
  let missing = SEARCH_ATTRIBUTES;
  try {
    missing = await missingAttributes(connection, settings.namespace);
    if (Object.keys(missing).length === 0) return;
    await connection.operatorService.addSearchAttributes({ namespace: settings.namespace, searchAttributes: missing });
    // The call returns before every part of the server knows them.
    const deadlineMs = performance.now() + 30_000;
    while (Object.keys(await missingAttributes(connection, settings.namespace)).length > 0) {
      if (performance.now() > deadlineMs) throw new Error('they did not appear within 30 s');
      await delay(100);
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError(
      'search-attributes-not-registered',
      `cannot register the search attributes ${Object.keys(missing).join(', ')} in namespace "${settings.namespace}" of Temporal at ${settings.address}: ${reasonOf(cause)}`,
      {
        remedy: `Let an administrator run: ${createCommand(settings.namespace, Object.keys(missing))}`,
        httpStatus: 503,
        cause,
      },
    );
  } finally {
    await connection.close();
  }
}

/**
 * The search attributes that a namespace lacks, and the command that makes them; null: none. Throws MillraceError `search-attribute-conflict`.
 */
export async function missingSearchAttributes(
  connection: Connection,
  namespace: string,
): Promise<{ readonly names: readonly string[]; readonly command: string } | null> {
  const names = Object.keys(await missingAttributes(connection, namespace));
  return names.length === 0 ? null : { names, command: createCommand(namespace, names) };
}

function createCommand(namespace: string, names: readonly string[]): string {
  const flags = names.map((name) => `--name ${name} --type ${TYPE_NAMES[SEARCH_ATTRIBUTES[name]!]}`);
  return `temporal operator search-attribute create --namespace ${namespace} ${flags.join(' ')}`;
}

function reasonOf(cause: unknown): string {
  const failure = grpcFailure(cause);
  return failure === null ? String(cause) : `${grpcStatusName(failure.code)}: ${failure.details}`;
}

async function missingAttributes(connection: Connection, namespace: string): Promise<Readonly<Record<string, number>>> {
  let registered: { readonly [name: string]: number | null | undefined };
  try {
    const answer = await connection.operatorService.listSearchAttributes({ namespace });
    registered = answer.customAttributes ?? {};
  } catch (error) {
    const failure = grpcFailure(error);
    if (failure === null || !CLOSED.includes(grpcStatusName(failure.code))) throw error;
    return attributesNoQueryKnows(connection, namespace);
  }
  const missing: Record<string, number> = {};
  for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
    const found = registered[name];
    if (found === undefined) missing[name] = type;
    else if (found !== type) {
      throw new MillraceError(
        'search-attribute-conflict',
        `Temporal's search attribute ${name} has type ${found}, expected ${type} (2 Keyword, 3 Int, 7 KeywordList)`,
        {
          remedy: `Use another namespace (TEMPORAL_NAMESPACE), or remove the attribute: temporal operator search-attribute remove --name ${name}`,
        },
      );
    }
  }
  return missing;
}

/** Asks by queries over workflows, which any user of the namespace may: they tell what is not there, and nothing of types. */
async function attributesNoQueryKnows(
  connection: Connection,
  namespace: string,
): Promise<Readonly<Record<string, number>>> {
  const asked = Object.entries(SEARCH_ATTRIBUTES).map(async ([name, type]) => {
    try {
      await connection.workflowService.countWorkflowExecutions({ namespace, query: `${name} IS NULL` });
      return [];
    } catch (error) {
      const failure = grpcFailure(error);
      if (failure === null || grpcStatusName(failure.code) !== 'INVALID_ARGUMENT') throw error;
      return [[name, type] as const];
    }
  });
  return Object.fromEntries((await Promise.all(asked)).flat());
}
