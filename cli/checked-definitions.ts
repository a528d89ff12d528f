import type { Row } from '../engine/contract/compiled-contract.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';
import type { DefinitionFault } from '../engine/define/definition-fault.ts';
import { loadDefinitions } from '../engine/define/load-definitions.ts';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import { refuseLargeExport } from '../activities/export-size.ts';
import { withHistoryInspector } from './inspect-histories.ts';
import type { Output } from './output.ts';

/**
 * The definitions of a folder, or null after every fault of them was printed.
 *
 * @param sample rows of each history to hold against its contract
 * @param onRow told of each valid one, with its source; it is written over afterwards
 */
export async function checkedDefinitions(
  features: string,
  output: Output,
  sample: number,
  spillDir: string,
  onRow?: (source: string, row: Row) => void,
): Promise<Definitions | null> {
  try {
    const definitions = await withHistoryInspector(
      sample,
      spillDir,
      (inspectHistory) => loadDefinitions(features, { inspectHistory }),
      onRow,
    );
    for (const service of definitions.services.values()) refuseLargeExport(service, false);
    return definitions;
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'invalid-definitions') throw error;
    const faults = error.details['faults'] as readonly DefinitionFault[];
    const { code, message, remedy } = error;
    if (output.isJson) output.json({ error: { code, message, remedy }, faults });
    output.table(
      ['definition', 'where', 'fault', 'what to do'],
      faults.map(({ kind, definition, path, code, message, remedy }) => [
        `${kind}\n${definition}`,
        path,
        wrapped(`${code}: ${message}`),
        wrapped(remedy),
      ]),
    );
    output.note(`${faults.length === 1 ? '1 fault' : `${faults.length} faults`} in ${features}`);
    return null;
  }
}

/** Breaks a sentence into lines of at most 60 characters, for a table's cell. */
function wrapped(text: string): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length + 1 > 60) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}
