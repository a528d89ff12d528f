import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { millraceDependency } from '../new-project/millrace-dependency.ts';
import { projectFiles } from '../new-project/project-files.ts';
import { Output } from '../output.ts';

interface InitOptions {
  readonly dryRun?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** `millrace init NAME`. */
export function addInitCommand(program: Command): void {
  program
    .command('init')
    .argument('<name>', 'of the project and its folder: a to z, 0 to 9 and "-", beginning with a letter')
    .description(
      'make a new project: a definition with its tests, a sample history, what runs it, and a README of the next steps',
    )
    .option('--dry-run', 'say what would be written, and write nothing')
    .option('--json', 'print the result as JSON')
    .action((name: string, options: InitOptions) => {
      const output = new Output(options);
      checkName(name);
      const folder = resolve(name);
      checkEmpty(folder);
      const files = projectFiles({ name, millrace: millraceDependency(), nowMs: systemClock.nowUs() / 1000 });
      if (options.dryRun !== true) write(folder, files);
      const paths = [...files.keys()];
      if (output.isJson) return output.json({ folder, files: paths, written: options.dryRun !== true });
      for (const path of paths) output.line(`  ${join(name, path)}`);
      if (options.dryRun === true) return output.line('nothing was written');
      output.line(
        `made ${folder}\n\n  cd ${name}\n  npm install\n  npm test          # the definitions, without services\n  npx millrace try customer_orders   # what its features are like, without services\n  npm run dev\n\nREADME.md tells the next three steps.`,
      );
    });
}

function checkName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,63}$/.test(name) && name !== 'millrace') return;
  const expected =
    name === 'millrace'
      ? 'another name than that of the package it depends on'
      : 'a to z, 0 to 9 and "-", beginning with a letter, at most 64 characters';
  throw new MillraceError('invalid-project-name', `"${name}" is no name for a project: expected ${expected}`, {
    remedy: 'Give e.g. my-features; the folder is made where you are.',
  });
}

function checkEmpty(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined || (found.isDirectory() && readdirSync(folder).length === 0)) return;
  throw new MillraceError(
    'folder-not-empty',
    `${folder} is there already, and ${found.isDirectory() ? 'not empty' : 'no folder'}`,
    {
      remedy: 'Give another name, or move what is there away: nothing is ever overwritten.',
      details: { folder },
    },
  );
}

function write(folder: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { flag: 'wx' });
  }
}
