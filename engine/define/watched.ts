/**
 * An object that tells which of its members are asked for; of who asks what members there are (`Object.keys`, a spread, `JSON.stringify`), all. What is
 * no member of its own is not told.
 *
 * @param onRead told of each, as often as it is read
 * @example
 * const seen = new Set<string>();
 * watched({ a: 1, b: 2 }, (name) => seen.add(name)).a; // seen: a
 */
export function watched<Value extends object>(value: Value, onRead: (name: string) => void): Value {
  const note = (name: string | symbol): void => {
    if (typeof name === 'string' && Object.hasOwn(value, name)) onRead(name);
  };
  // Over a copy: of what is frozen a proxy may not give anything else, and of getters it gives what they give now.
  return new Proxy(
    { ...value },
    {
      get(target, name, receiver) {
        note(name);
        return Reflect.get(target, name, receiver) as unknown;
      },
      has(target, name) {
        note(name);
        return Reflect.has(target, name);
      },
      getOwnPropertyDescriptor(target, name) {
        note(name);
        return Reflect.getOwnPropertyDescriptor(target, name);
      },
      ownKeys(target) {
        for (const name of Object.keys(target)) onRead(name);
        return Reflect.ownKeys(target);
      },
    },
  );
}
