import { expect, test } from 'vitest';
import { rememberGlobals } from '../../engine/purity/remember-globals.ts';

const changes: readonly (readonly [string, () => () => void])[] = [
  [
    'a new global',
    () => {
      Reflect.set(globalThis, 'sharedByAll', 1);
      return () => Reflect.deleteProperty(globalThis, 'sharedByAll');
    },
  ],
  [
    'a method of all texts',
    () => {
      const texts: object = String.prototype;
      Reflect.set(texts, 'red', () => 'red');
      return () => Reflect.deleteProperty(texts, 'red');
    },
  ],
  [
    'another function in the place of one',
    () => {
      const before = Object.getOwnPropertyDescriptor(Math, 'abs') as PropertyDescriptor;
      Object.defineProperty(Math, 'abs', { ...before, value: () => 1 });
      return () => Object.defineProperty(Math, 'abs', before);
    },
  ],
];

test.each(changes)('%s is noticed', (_, change) => {
  const globals = rememberGlobals();
  expect(globals.changed()).toBe(false);
  const undo = change();
  expect(globals.changed()).toBe(true);
  undo();
  expect(globals.changed()).toBe(false);
});
