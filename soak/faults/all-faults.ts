import type { PlantFault } from './fault-site.ts';
import { plantOtherCode } from './other-code.ts';
import { plantDoubledRecord, plantDroppedDecision, plantDroppedRecord } from './record-faults.ts';
import { plantChangedByte, plantShiftedTile } from './state-faults.ts';

/** Each on a view of its own, in this order. */
export const FAULTS: readonly PlantFault[] = [
  plantDroppedRecord,
  plantDoubledRecord,
  plantChangedByte,
  plantShiftedTile,
  plantOtherCode,
  plantDroppedDecision,
];
