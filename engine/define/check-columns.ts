import type { ReportFault } from './definition-fault.ts';
import { SQL_VIEW_COLUMNS } from './names.ts';

/** Columns of a Postgres table or view. */
const MOST_COLUMNS = 1600;

/** A training set has a column for each feature, too. */
export function checkColumns(features: number, keys: number, report: ReportFault): void {
  const most = MOST_COLUMNS - keys - SQL_VIEW_COLUMNS.length;
  if (features > most) {
    report(
      'too-many-features',
      'features',
      `${features} features, at most ${most} are allowed: the SQL view of a feature view has a column for each, and Postgres has ${MOST_COLUMNS} at most`,
      'Divide them among several views; a service takes several.',
    );
  }
}
