import { blockText } from '../define/service-blocks.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { MatchedBlock, RequestExample } from './match-reads.ts';
import type { ReadShape } from './served-definitions.ts';

/** Refuses rows that cannot be given what was served: always where several reads answer to one, else unless nulls are asked for. */
export function checkMatches(matched: readonly MatchedBlock[], missing: 'error' | 'null', from: string): void {
  refuseAmbiguous(matched);
  if (missing === 'null') return;
  refuseOther(matched);
  refuseNotLogged(matched, from);
}

function refuseAmbiguous(matched: readonly MatchedBlock[]): void {
  const lines = matched.flatMap(({ block, keyed, rowsAmbiguous, ambiguous }) => {
    const [first] = ambiguous;
    if (first === undefined) return [];
    const keys = block.columns.join(', ');
    const why =
      first.entities > 1
        ? `request ${JSON.stringify(first.requestId)} read ${first.entities} entities`
        : `request ${JSON.stringify(first.requestId)} was answered differently for the same entity, several times`;
    const remedy = first.entities > 1 && !keyed ? `; the spine lacks their join keys (${keys})` : '';
    return [`${blockText(block)}: ${why} (row ${first.row}${more(rowsAmbiguous)})${remedy}`];
  });
  if (lines.length === 0) return;
  throw new MillraceError('request-ambiguous', `it cannot be told which read a row is of: ${lines.join('; ')}`, {
    remedy: 'Add the join keys to the spine; use a request id once only.',
    httpStatus: 409,
  });
}

function refuseOther(matched: readonly MatchedBlock[]): void {
  const other: string[] = [];
  const unasked: string[] = [];
  for (const { block, names, shapes } of matched) {
    for (const { shape, rows, first } of shapes) {
      const named = (why: string): string =>
        names
          .filter((_, index) => shape.notServed[index] === why)
          .map((name) => `"${name}"`)
          .join(', ');
      const where = `${example(first)}${more(rows)}`;
      const lacking = named('other-definition');
      if (lacking !== '') {
        other.push(
          `${blockText(block)}: ${definitionText(block, shape)}, which served ${where}, has no such feature ${lacking}, or of another type`,
        );
      }
      const left = named('not-asked');
      if (left !== '') unasked.push(`${blockText(block)}: ${where} did not ask for ${left}`);
    }
  }
  const remedy = 'Leave out these rows or features, or take them as null (missing: "null"; CLI: --missing null).';
  if (other.length > 0) {
    throw new MillraceError(
      'served-by-other-definition',
      `some requests were answered by a definition without what is asked for: ${other.join('; ')}`,
      { remedy, httpStatus: 409 },
    );
  }
  if (unasked.length > 0) {
    throw new MillraceError(
      'request-feature-not-served',
      `some requests were not served every feature: ${unasked.join('; ')}`,
      {
        remedy,
        httpStatus: 409,
      },
    );
  }
}

function definitionText({ isService }: MatchedBlock['block'], { fingerprint, version }: ReadShape): string {
  if (isService === undefined) return `definition ${fingerprint.slice(0, 12)} (version ${version})`;
  return fingerprint === '' ? 'its definition then' : `its definition ${fingerprint.slice(0, 12)}`;
}

function refuseNotLogged(matched: readonly MatchedBlock[], from: string): void {
  const missing = matched.filter(({ rowsNotLogged }) => rowsNotLogged > 0);
  if (missing.length === 0) return;
  const lines = missing.map(({ block, keyed, rowsNotLogged, notLogged }) => {
    const rows = rowsNotLogged === 1 ? '1 row' : `${rowsNotLogged} rows`;
    const what = keyed ? 'no read of its entity by its request' : 'no read by its request';
    return `${blockText(block)}: ${rows} with ${what}: ${notLogged.map(example).join(', ')}${rowsNotLogged > notLogged.length ? ', …' : ''}`;
  });
  throw new MillraceError('request-not-logged', `${from}: ${lines.join('; ')}`, {
    remedy:
      'Check the ids (the response carries them); only sampled entities are logged, and only what the topic or its archive still holds. Take such rows as null with missing: "null" (CLI: --missing null).',
    httpStatus: 404,
    details: { rows: Object.fromEntries(missing.map(({ block, rowsNotLogged }) => [block.name, rowsNotLogged])) },
  });
}

function example({ row, requestId }: RequestExample): string {
  return `${JSON.stringify(requestId)} (row ${row})`;
}

function more(rows: number): string {
  return rows > 1 ? ` and ${rows - 1} more` : '';
}
