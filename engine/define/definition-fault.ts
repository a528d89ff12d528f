import type { AnyErrorCode } from '../errors/error-codes.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** One thing wrong with one definition. */
export interface DefinitionFault {
  /** Stable kebab-case code, e.g. `unknown-field`. */
  readonly code: AnyErrorCode;
  /** `entity`, `source`, `feature view`, `feature service`, or `file`. */
  readonly kind: string;
  /** The definition's name. */
  readonly definition: string;
  /** Where in the definition: `features.delay_avg_7d.window`; empty for the whole. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** Reports a fault of the definition at hand. */
export type ReportFault = (code: AnyErrorCode, path: string, message: string, remedy: string) => void;

/** A reporter that adds to `faults` in the name of one definition. */
export function faultReporter(faults: DefinitionFault[], kind: string, definition: string): ReportFault {
  return (code, path, message, remedy) => faults.push({ code, kind, definition, path, message, remedy });
}

/** One line of a fault, as errors and `plan` print it. */
export function formatFault(fault: DefinitionFault): string {
  const where = `${fault.kind} ${fault.definition}${fault.path === '' ? '' : `, ${fault.path}`}`;
  return `${where}: ${fault.message}. ${fault.remedy}`;
}

/** The one error for all faults; `details.faults` holds them as data. */
export function invalidDefinitions(faults: readonly DefinitionFault[]): MillraceError {
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  return new MillraceError(
    'invalid-definitions',
    `${count} in the definitions:\n${faults.map((fault) => `- ${formatFault(fault)}`).join('\n')}`,
    { remedy: 'Correct the definitions; `millrace plan` lists every fault at once.', details: { faults } },
  );
}
