/** A body of JSON, as a route declares it. */
export const json = <Schema>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
});
