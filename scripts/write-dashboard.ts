/** Writes `ops/dashboard.json`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboardJson } from './dashboard.ts';

writeFileSync(join(import.meta.dirname, '..', 'ops', 'dashboard.json'), dashboardJson());
