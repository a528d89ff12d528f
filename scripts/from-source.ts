/**
 * For programs of the clone that name `millrace` as a user does, beside definitions: `node --import ./scripts/from-source.ts bench/get.ts`. The
 * manifest's exports name what a build makes; here they mean the sources.
 */
import { registerHooks } from 'node:module';

const SOURCES: ReadonlyMap<string, string> = new Map(
  (['index', 'client', 'testing'] as const).map((name) => [
    name === 'index' ? 'millrace' : `millrace/${name}`,
    new URL(`../${name}.ts`, import.meta.url).href,
  ]),
);

registerHooks({
  resolve: (specifier, context, nextResolve) => nextResolve(SOURCES.get(specifier) ?? specifier, context),
});
