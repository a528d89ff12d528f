/**
 * Imports a module by Node itself. In a file of its own, which `loadDefinitions` gets by `require`: a test runner rewrites `import()`
 * in the files it transforms, and would resolve `millrace` and `zod` in its own way.
 *
 * @public
 */
export async function importNatively(url: string): Promise<Readonly<Record<string, unknown>>> {
  return (await import(url)) as Readonly<Record<string, unknown>>;
}
