/** Writes `docs/openapi.json` from the routes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from './openapi-document.ts';

writeFileSync(join(import.meta.dirname, '..', 'docs', 'openapi.json'), await openApiDocument());
