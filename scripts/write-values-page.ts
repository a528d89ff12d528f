/** Writes `docs/values.md` from the code that judges. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { valuesPage } from './values-page.ts';

writeFileSync(join(import.meta.dirname, '..', 'docs', 'values.md'), valuesPage());
