/**
 * The second process of a load of definitions (`askElsewhere`): imports them under traps, in another time zone, locale and environment,
 * folder and at another time, and runs their row functions there. It is a process of its own, so that the traps are in nobody's way.
 */
import { isBuiltin, registerHooks } from 'node:module';
import { getCallSites } from 'node:util';
import type { Impurity } from '../purity/impurity.ts';
import { installTraps } from '../purity/purity-traps.ts';
import { rememberGlobals } from '../purity/remember-globals.ts';
import { sampleRows } from '../purity/sample-values.ts';
import { compileSource } from './compile-source.ts';
import { compileEntity, compileView } from './compile-view.ts';
import { declaredIdentity } from './declared-identity.ts';
import type { ReportFault } from './definition-fault.ts';
import { CLOCK_SHIFT_MS, type ElsewhereReport, type ElsewhereView, type ImportUse } from './elsewhere.ts';
// Loaded before the traps are set: it is what the definitions will import.
import './definition-entry.ts';
import { importDefinitions, ownScript } from './import-definitions.ts';
import type { LoadedDefinitions } from './loaded-definitions.ts';
import { derivedSubjects } from './derived-samples.ts';
import { rowResults, rowSubjects } from './row-results.ts';

const engine = new URL('../', import.meta.url).href;
const traps = new URL('../purity/', import.meta.url).href;
/** What packages ask of any machine, to know where they run: no fault where the user's own code calls them at its top. */
const harmless = new Set([
  'process.env.NODE_ENV',
  'process.platform',
  'process.arch',
  'process.version',
  'process.versions',
]);

const uses = new Map<string, ImportUse>();

/** Notes a use by the user's own modules, or by a package for one of them. What packages do when they are imported themselves is theirs. */
function notice({ label, remedy }: Impurity): void {
  let direct = true;
  for (const { scriptName, lineNumber: line } of getCallSites(200)) {
    const file = ownScript(scriptName);
    if (file !== null) {
      if (direct || !harmless.has(label)) uses.set(useKey(file, line, label), { file, line, label, remedy });
      return;
    }
    if (scriptName.startsWith(traps) || scriptName === import.meta.url) continue;
    // What Millrace and zod do with a definition is not the definition's doing.
    if (scriptName.startsWith(engine) || scriptName.includes('/node_modules/zod/')) return;
    direct &&= !scriptName.startsWith('file:') && !scriptName.startsWith('/');
  }
}

/** The uses, without parts of one that is told as a whole: the variables of `{ ...process.env }`. */
function told(): ImportUse[] {
  return [...uses.values()].filter(({ file, line, label }) => {
    const parts = label.split('.');
    return !parts.some((_, index) => index > 0 && uses.has(useKey(file, line, parts.slice(0, index).join('.'))));
  });
}

function useKey(file: string, line: number, label: string): string {
  return `${file}:${line} ${label}`;
}

async function look(folder: string): Promise<ElsewhereReport> {
  const set = installTraps(notice, { clockShiftMs: CLOCK_SHIFT_MS });
  // A package may bring a module of Node along that nothing here has loaded.
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (isBuiltin(specifier)) set.trapModule(specifier);
      return nextResolve(specifier, context);
    },
  });
  const globals = rememberGlobals();
  let loaded: LoadedDefinitions | null = null;
  let failure: string | null = null;
  try {
    loaded = await importDefinitions(folder);
  } catch (cause) {
    failure = cause instanceof Error ? cause.message : String(cause);
  }
  const globalsChanged = globals.changed();
  set.remove();
  return { uses: told(), views: loaded === null ? [] : viewsOf(loaded), globalsChanged, failure };
}

function viewsOf({ definitions, baseFolder }: LoadedDefinitions): ElsewhereView[] {
  const views: ElsewhereView[] = [];
  for (const { value, file, exportName } of definitions) {
    if (value.kind !== 'feature-view') continue;
    const source = compileSource(value.source, baseFolder, silent);
    if (!source.sound) continue;
    const keys = compileEntity(value.entity, silent);
    const { compiled, functions } = compileView(value, keys, source, silent);
    const { rows } = sampleRows(source.plans);
    views.push({
      file,
      exportName,
      declared: compiled === null ? null : JSON.stringify(declaredIdentity(value, compiled, source.plans)),
      results: [
        ...rowSubjects(value, keys, functions).map((subject) => ({
          path: subject.path,
          texts: rowResults(subject, rows),
        })),
        ...(compiled === null ? [] : derivedSubjects(compiled)),
      ],
    });
  }
  return views;
}

const silent: ReportFault = () => undefined;

// Whoever asked is gone: nobody waits for an answer.
process.once('disconnect', () => process.exit(1));
const [folder] = process.argv.slice(2);
process.send?.(await look(folder ?? '.'), () => process.exit(0));
