import { isScalarType, type ResultType } from '../values/result-type.ts';
import { type MonitoredField, monitoredField } from './monitored-field.ts';

/** A feature as it is monitored: as a field of its type is; lists, maps and times for their nulls alone. @param isHidden whether its values may not be shown */
export function monitoredResult(name: string, type: ResultType, isHidden = false): MonitoredField {
  if (!isScalarType(type)) return { name, kind: 'plain', scale: 0, entryOf: null };
  return monitoredField({ name, type, nullable: true, optional: false }, false, isHidden);
}
