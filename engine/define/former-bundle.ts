import { readFile } from 'node:fs/promises';
import { extname, relative, sep } from 'node:path';
import { build, type BuildResult, type Loader, type Plugin, transform } from 'esbuild';
import { MillraceError } from '../errors/millrace-error.ts';

/**
 * The code of one exported view as semantics 1 bundled it, byte for byte: frozen, so that a version of then is known by its fingerprint.
 * It goes with the last release that reads states of semantics 1.
 *
 * @throws MillraceError `definition-unreadable` where the code cannot be bundled.
 */
export async function bundleViewBefore(file: string, exportName: string, folder: string): Promise<string> {
  try {
    return text(await bundle(file, exportName, folder, [removableInitialisers]));
  } catch {
    // Marking initialisers is a text edit, and some code does not survive it: such a file is taken whole.
  }
  try {
    return text(await bundle(file, exportName, folder, []));
  } catch (cause) {
    const where = relative(folder, file).split(sep).join('/');
    throw new MillraceError(
      'definition-unreadable',
      `the code of ${exportName} in ${where} cannot be bundled: ${String(cause)}`,
      {
        remedy: 'Import only what exists and what Node can run.',
        cause,
      },
    );
  }
}

function bundle(
  file: string,
  exportName: string,
  folder: string,
  plugins: Plugin[],
): Promise<BuildResult<{ write: false }>> {
  return build({
    stdin: {
      contents: `export { ${exportName} as view } from ${JSON.stringify(file)};`,
      resolveDir: folder,
      loader: 'ts',
    },
    absWorkingDir: folder,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'esnext',
    external: ['millrace', 'zod', 'zod/*'],
    treeShaking: true,
    minifyWhitespace: true,
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'silent',
    // No tsconfig.json of a folder around may change what is hashed.
    tsconfigRaw: '{}',
    plugins,
  });
}

function text(result: BuildResult<{ write: false }>): string {
  return result.outputFiles.map((output) => output.text).join('');
}

const loaders: Readonly<Record<string, Loader>> = { '.ts': 'ts', '.mts': 'ts', '.js': 'js', '.mjs': 'js' };

/**
 * esbuild keeps every top-level `const x = call(...)`, since the call might do something; then any view of a file would be part of the
 * fingerprint of all others. Definitions do nothing when made, so each top-level initialiser is wrapped into a call marked pure, which
 * goes when nothing uses it. esbuild prints one statement per line, continued lines indented, which makes the ends easy to see.
 */
const removableInitialisers: Plugin = {
  name: 'removable-initialisers',
  setup(setup) {
    setup.onLoad({ filter: /\.m?[jt]s$/, namespace: 'file' }, async ({ path }) => {
      const loader = loaders[extname(path)];
      if (loader === undefined || /[\\/]node_modules[\\/]/.test(path)) return undefined;
      const printed = await transform(await readFile(path, 'utf8'), {
        loader,
        target: 'esnext',
        charset: 'utf8',
        tsconfigRaw: '{}',
      });
      return { contents: wrapInitialisers(printed.code), loader: 'js' };
    });
  },
};

function wrapInitialisers(code: string): string {
  const lines = code.split('\n');
  const out: string[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] as string;
    const start = /^((?:export )?(?:const|let|var) [\w$]+ = )(?!\(\) =>|function\b|class\b)(.*)$/.exec(line);
    let end = at;
    if (start !== null && !line.endsWith(';')) {
      do end += 1;
      while (end < lines.length && !/^[)}\]].*;$/.test(lines[end] as string));
    }
    if (start === null || end >= lines.length) {
      out.push(line);
      continue;
    }
    const value = [start[2] as string, ...lines.slice(at + 1, end + 1)].join('\n').replace(/;$/, '');
    out.push(`${start[1]}/* @__PURE__ */ (() => (${value}))();`);
    at = end;
  }
  return out.join('\n');
}
