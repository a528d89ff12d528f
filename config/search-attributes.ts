import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type TemporalSettings, temporalConnectionOptions } from './temporal-settings.ts';

/** `temporal.api.enums.v1.IndexedValueType` of the wire. */
const KEYWORD = 2;
const INT = 3;

/** The search attributes that the workflows set; a workflow task that sets one that is not registered fails for ever. */
const SEARCH_ATTRIBUTES: Readonly<Record<string, number>> = {
  FeatureView: KEYWORD,
  FeaturePhase: KEYWORD,
  FeatureVersion: INT,
  FeatureParity: KEYWORD,
  ArchiveSource: KEYWORD,
  ArchivePhase: KEYWORD,
};

/**
 * Registers Millrace's search attributes in the namespace, those that are not there yet.
 *
 * @throws MillraceError `search-attribute-conflict`, `search-attributes-not-registered`
 */
export async function registerSearchAttributes(settings: TemporalSettings): Promise<void> {
  const connection = await Connection.connect({ ...temporalConnectionOptions(settings), connectTimeout: '5s' });
  try {
    const missing = await missingAttributes(connection, settings.namespace);
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
      `cannot register search attributes in namespace "${settings.namespace}" of Temporal at ${settings.address}: ${String(cause)}`,
      {
        remedy: `Let an administrator run: ${createCommand(settings.namespace, Object.keys(SEARCH_ATTRIBUTES))}`,
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
  const flags = names.map((name) => `--name ${name} --type ${SEARCH_ATTRIBUTES[name] === INT ? 'Int' : 'Keyword'}`);
  return `temporal operator search-attribute create --namespace ${namespace} ${flags.join(' ')}`;
}

async function missingAttributes(connection: Connection, namespace: string): Promise<Record<string, number>> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing: Record<string, number> = {};
  for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
    const found = customAttributes?.[name];
    if (found === undefined) missing[name] = type;
    else if (found !== type) {
      throw new MillraceError(
        'search-attribute-conflict',
        `Temporal's search attribute ${name} has type ${found}, expected ${type} (2 Keyword, 3 Int)`,
        {
          remedy: `Use another namespace (TEMPORAL_NAMESPACE), or remove the attribute: temporal operator search-attribute remove --name ${name}`,
        },
      );
    }
  }
  return missing;
}
