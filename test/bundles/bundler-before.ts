/** Gives whoever asks for the bundler that of a minor version before: `node --import ./test/bundles/bundler-before.ts`. */
import { registerHooks } from 'node:module';

const BEFORE = import.meta.resolve('esbuild-before');

registerHooks({
  resolve: (specifier, context, nextResolve) => nextResolve(specifier === 'esbuild' ? BEFORE : specifier, context),
});
