import type { CompiledService } from '../engine/define/compiled-view.ts';
import { internalBug } from '../engine/errors/millrace-error.ts';
import { CellError } from '../engine/values/cell.ts';
import { carriedJson } from '../engine/values/composite-text.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import type { FeaturesResponse } from '../serving/api-schemas.ts';
import type { ServedCell } from './compare.ts';
import type { SampledFlight } from './samples.ts';

/** What a service derives of a flight at its own time, by training-set column (`<service>__<feature>`): asked over HTTP, as a model in any language does. */
export async function readDerived(
  apiUrl: string,
  { name: service, derived = [] }: CompiledService,
  { origin, destination, distance, eventTimeUs }: SampledFlight,
): Promise<ReadonlyMap<string, ServedCell>> {
  const entity = { keys: { origin, destination }, request: { distance } };
  const response = await fetch(`${apiUrl}/v1/features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service, entity, at: formatDateTime(eventTimeUs) }),
  });
  if (!response.ok) throw internalBug(`the API answered ${response.status}: ${await response.text()}`);
  const { results } = (await response.json()) as FeaturesResponse;
  const { values, errors } = results[0]!.derived!;
  return new Map(
    derived.map(({ name, type }): [string, ServedCell] => {
      const code = errors?.[name];
      const cell = code === undefined ? carriedJson(type)(values[name]) : CellError.of(code);
      if (cell === undefined) throw internalBug(`the API answered ${JSON.stringify(values[name])} for "${name}"`);
      return [`${service}__${name}`, { type, cell }];
    }),
  );
}
