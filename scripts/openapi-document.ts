import { startApi } from '../serving/start-api.ts';

/**
 * `docs/openapi.json`: the document that every server gives out. It is asked of one; its database is never reached for that.
 *
 * @example
 * writeFileSync('docs/openapi.json', await openApiDocument());
 */
export async function openApiDocument(): Promise<string> {
  const api = await startApi({ databaseUrl: 'postgres://127.0.0.1:1/none' });
  try {
    const answer = await fetch(`${api.url}/openapi.json`);
    return `${JSON.stringify(await answer.json(), null, 2)}\n`;
  } finally {
    await api.close();
  }
}
