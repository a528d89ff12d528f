import { Command } from 'commander';
import { expect, test } from 'vitest';
import { COMMAND_MODULES, createProgram } from '../../cli/create-program.ts';
import { loadOptional } from '../../engine/installation/optional-package.ts';
import { ownModule } from '../../engine/installation/own-module.ts';
import { RELEASE } from '../../engine/installation/release.ts';

test('a module of ours is found beside the one that names it, in the clone as in the package', () => {
  expect(ownModule('./state-worker', 'file:///clone/engine/backfill/a.ts').href).toBe(
    'file:///clone/engine/backfill/state-worker.ts',
  );
  expect(ownModule('../worker', 'file:///app/node_modules/millrace/dist/cli/a.js').href).toBe(
    'file:///app/node_modules/millrace/dist/worker.js',
  );
});

test('a missing optional package is the line that installs it, in the versions that fit', async () => {
  const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
  const { vega, 'vega-lite': lite } = RELEASE.peerDependencies;
  await expect(loadOptional('a plot', ['vega', 'vega-lite'], () => Promise.reject(missing))).rejects.toMatchObject({
    code: 'package-missing',
    remedy: `npm i -D vega@${vega} vega-lite@${lite}`,
  });
  // One that is there and broken is told as it is.
  const broken = new SyntaxError('Unexpected token');
  await expect(loadOptional('a plot', ['vega'], () => Promise.reject(broken))).rejects.toBe(broken);
  expect(await loadOptional('a plot', ['vega'], () => Promise.resolve(7))).toBe(7);
});

test('each module of commands brings those that the table says, so that a command finds its own', async () => {
  for (const { names, load } of COMMAND_MODULES) {
    const program = new Command();
    (await load())(program);
    expect(program.commands.map((command) => command.name())).toEqual(names);
  }
});

test('a command is loaded alone, and all of them where none is named', async () => {
  expect((await createProgram('get')).commands.map((command) => command.name())).toEqual(['get']);
  const all = COMMAND_MODULES.flatMap(({ names }) => names);
  for (const name of [undefined, '--help', 'gett'])
    expect((await createProgram(name)).commands.map((command) => command.name())).toEqual(all);
});
