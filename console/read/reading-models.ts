import type { ConsoleLook } from '../console-look.ts';

/** The services that read a view, and the models that are trained on those. */
export function readersOfView(
  { services, models }: ConsoleLook,
  view: string,
): { readonly services: readonly string[]; readonly models: readonly string[] } {
  const reading = services.filter(({ views }) => views.includes(view)).map(({ service }) => service);
  return {
    services: reading,
    models: models.filter(({ service }) => reading.includes(service)).map(({ model }) => model),
  };
}
