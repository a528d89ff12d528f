import { type DerivedCode, seenBlocks } from '../define/derived-code.ts';
import { type DefinitionFault, faultReporter, formatFault } from '../define/definition-fault.ts';
import { schemaField } from '../define/event-time.ts';
import { readDerived } from '../define/read-derived.ts';
import { bundleUnfit } from './bundle-faults.ts';
import { importedDefinition } from './open-bundle.ts';
import { bundleSubject, type ServiceBundle } from './view-bundle.ts';

/**
 * What a service derives by a bundle: its own functions, by the types and the request that were stored. Of whatever semantics of the engine: they see
 * values, and no states. Each call imports the code anew, and Node keeps it as long as the process lives.
 *
 * @throws MillraceError `bundle-unfit` where it imports what this process lacks, or comes out as another definition
 * @example
 * const { derived, request } = await openServiceBundle(bundle);
 */
export async function openServiceBundle(bundle: ServiceBundle): Promise<DerivedCode> {
  const { service, fingerprint, entry, declared } = bundle;
  const unfit = (reason: string): Error => bundleUnfit(bundleSubject(bundle), fingerprint, reason);
  const definition = await importedDefinition(bundle, 'feature-service', service);
  if (definition === null) throw unfit(`${entry.path} exports no service as ${entry.exportName}`);
  const faults: DefinitionFault[] = [];
  const report = faultReporter(faults, 'feature service', service);
  const types = new Map(declared.derived.map(({ name, type }) => [name, { input: null, result: type }] as const));
  const plans = readDerived(definition.derived, 'derived', new Map(), report, types);
  if (faults.length > 0) throw unfit(faults.map(formatFault).join('; '));
  const told = (of: ServiceBundle['declared']['derived']): string =>
    JSON.stringify(of.map(({ name, type, block }) => [name, type, block]));
  if (told(plans) !== told(declared.derived)) throw unfit('it derives something else than what was stored of it');
  return {
    fingerprint,
    request: declared.request.map(schemaField),
    derived: plans.map(({ compute }, index) => ({ ...declared.derived[index]!, compute })),
    blocks: seenBlocks(declared),
  };
}
