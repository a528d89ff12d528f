import { dirname } from 'node:path';
import type { OwnModule } from './own-module.ts';
import { walk } from './syntax.ts';
import type { OutsideName } from './view-code.ts';

/**
 * What a module takes of what `isOutside` says is a package, whether an export uses it or not: each once, in the order of the text; `*` where any
 * name may be asked for, `''` where none is.
 */
export function packageImports(module: OwnModule, isOutside: (specifier: string) => boolean): readonly OutsideName[] {
  const { path, specifiers, imports, exports, stars } = module;
  const dynamic = new Set<string>();
  for (const { node } of module.units) {
    walk(node, (each) => {
      if (each.type === 'ImportExpression' && each.source.type === 'Literal') dynamic.add(String(each.source.value));
    });
  }
  const passed = [...exports.values()].filter((each) => typeof each !== 'string');
  return [...new Set(specifiers)].filter(isOutside).flatMap((specifier): OutsideName[] => {
    const names = [...imports.values(), ...passed].flatMap((each) => (each.specifier === specifier ? [each.name] : []));
    if (stars.includes(specifier) || dynamic.has(specifier)) names.push('*');
    const once = names.length === 0 ? [''] : [...new Set(names)];
    return once.map((name) => ({ specifier, from: dirname(path), name }));
  });
}
