/** Writes `docs/waiting.md` from the table that decides. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitingPage } from './waiting-page.ts';

writeFileSync(join(import.meta.dirname, '..', 'docs', 'waiting.md'), waitingPage());
