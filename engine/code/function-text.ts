import { parse } from 'acorn';
import { canonicalText } from './canonical-text.ts';

/**
 * The text of a function without formatting and comments. What it takes from around it is not in it; of a bound or built-in function
 * nothing but its name is.
 */
export function functionText(fn: (...given: never[]) => unknown): string {
  const text = String(fn);
  // A method's text stands in an object only.
  for (const whole of [`(${text})`, `({${text}})`]) {
    try {
      const program = parse(whole, { ecmaVersion: 'latest', sourceType: 'module' });
      return canonicalText(program, null, null, null).map(String).join('');
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
    }
  }
  return `${fn.name}: ${text}`;
}
