/** Writes the table of aggregates in `docs/features.md`, from what they are and what was measured of them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withAggregatesTable } from './aggregates-table.ts';

const path = join(import.meta.dirname, '..', 'docs', 'features.md');
writeFileSync(path, withAggregatesTable(readFileSync(path, 'utf8')));
