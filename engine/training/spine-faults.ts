import type { MillraceErrorCode } from '../errors/error-codes.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** One thing that is wrong with a spine. */
export interface SpineFault {
  readonly code: MillraceErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** All faults of a spine as one error: the fault's own code when there is one kind, else `spine-invalid`. */
export function spineError(path: string, faults: readonly SpineFault[]): MillraceError {
  const codes = new Set(faults.map((fault) => fault.code));
  const code = codes.size === 1 ? faults[0]!.code : 'spine-invalid';
  const remedies = [...new Set(faults.map((fault) => fault.remedy))];
  const lines = faults.map((fault) => fault.message);
  const list = lines.length === 1 ? ` ${lines[0]}` : lines.map((line) => `\n  - ${line}`).join('');
  return new MillraceError(code, `spine ${path}:${list}`, { remedy: remedies.join(' '), details: { faults } });
}

const REMEDIES: Readonly<Record<string, string>> = {
  'the label': 'Name one of these columns with --label COLUMN.',
  'the label time': 'Name the column of label times with timeColumn (CLI: --time COLUMN).',
  'a value of the request':
    'Add a column of that name. Rows that are made of the entities of a view have none: give entities with it in a file (entities; CLI: --entities FILE), or labels (spine; CLI: --spine FILE).',
  'the request id': 'Name the column of request ids with requestColumn (CLI: --request-column COLUMN).',
};

/** So many names help to find the one that was meant. */
const SHOWN_NAMES = 30;

/** The fault of a column the spine needs and does not have. */
export function missingColumn(column: string, purpose: string, known: readonly string[]): SpineFault {
  const near = known.find((name) => name.toLowerCase() === column.toLowerCase());
  const more = known.length > SHOWN_NAMES ? ` and ${known.length - SHOWN_NAMES} more` : '';
  const all = `it has: ${known.slice(0, SHOWN_NAMES).join(', ')}${more}`;
  const delimiter = otherDelimiter(known);
  return {
    code: 'spine-column-missing',
    message: `no column "${column}" (${purpose}); ${near === undefined ? all : `it has "${near}", and case counts`}`,
    remedy:
      delimiter === null
        ? (REMEDIES[purpose] ?? 'Add the column, or rename the one that holds the join key.')
        : `The header seems to be delimited by ${delimiter}: a .csv has commas, a .tsv tabs. Write the file anew, or give it the other ending.`,
  };
}

/** What a header that is one name seems to be delimited by; null where it does not. */
function otherDelimiter(names: readonly string[]): string | null {
  const [only] = names;
  if (names.length !== 1 || only === undefined) return null;
  const [sign] = /[;\t|,]/.exec(only) ?? [];
  return sign === undefined ? null : sign === '\t' ? 'tabs' : `"${sign}"`;
}
