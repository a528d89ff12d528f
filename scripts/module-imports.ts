/** One import of a module. */
export interface ModuleImport {
  /** As written. */
  readonly specifier: string;
  /** `import type …`: gone before the module runs. `import { type A }` is not: the module is loaded all the same. */
  readonly isType: boolean;
  /** `import('…')`: loaded when it is come to. */
  readonly isDynamic: boolean;
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[\w*${},\s]+?\s+from\s+)?'([^'\n]+)'/gm;
const DYNAMIC = /(typeof\s+)?\bimport\('([^'\n]+)'\)/g;

/** What a module imports, and exports from others. Statements begin their line, as the formatter leaves them. */
export function importsOf(text: string): ModuleImport[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gm, '');
  const found: ModuleImport[] = [];
  for (const [, type, specifier] of code.matchAll(STATIC))
    found.push({ specifier: specifier as string, isType: type !== undefined, isDynamic: false });
  for (const [, type, specifier] of code.matchAll(DYNAMIC))
    found.push({ specifier: specifier as string, isType: type !== undefined, isDynamic: true });
  return found;
}
