import type { RawRecord } from '../../engine/topic/log-reader.ts';
import { pauseView } from '../lifecycles.ts';
import {
  changedReader,
  type CleanPayment,
  cleanPayments,
  type EntityKey,
  type FaultSite,
  findRecord,
  type PlantedFault,
  planted,
  streamByHand,
} from './fault-site.ts';

const PAYMENTS = 30;
const DECISIONS = 30;

/** How a stream meets one record, and what that is called. */
interface RecordFault {
  readonly fault: string;
  readonly view: string;
  readonly cause: string;
  readonly keyOf: (payment: CleanPayment) => EntityKey;
  readonly times: 0 | 2;
}

/** The stream of a paused view never sees one record. */
export function plantDroppedRecord(site: FaultSite): Promise<PlantedFault> {
  return plantRecordFault(site, {
    fault: 'a dropped record',
    view: 'customer_spend',
    cause: 'missing-record',
    keyOf: ({ customer }) => ({ customer }),
    times: 0,
  });
}

/** The stream of a paused view takes one record twice. */
export function plantDoubledRecord(site: FaultSite): Promise<PlantedFault> {
  return plantRecordFault(site, {
    fault: 'a doubled record',
    view: 'shop_currencies',
    cause: 'duplicated-record',
    keyOf: ({ shop, currency }) => ({ shop, currency }),
    times: 2,
  });
}

/** The stream of a paused view over decisions never sees one of them. */
export async function plantDroppedDecision(site: FaultSite): Promise<PlantedFault> {
  const { view, version } = await planted(site, 'offer_suggestions');
  await pauseView(site.temporal, view.name, site.signal);
  const { id, action } = site.random.pick((await site.say(DECISIONS)).decisions);
  const name = `"decision_id":${JSON.stringify(id)}`;
  const { partition, offset } = await findRecord(site, view, version.version, (text) => text.includes(name));
  const isVictim = (record: RawRecord): boolean => record.partition === partition && record.offset === offset;
  const reader = changedReader(site.reader, (record) => (isVictim(record) ? [] : [record]));
  await streamByHand(site, view, version.version, reader);
  const entity = { offer: action };
  await site.read(view.name, entity);
  return {
    fault: 'a dropped decision',
    view: view.name,
    cause: 'missing-record',
    entity,
    records: [{ partition, offset }],
  };
}

async function plantRecordFault(site: FaultSite, planting: RecordFault): Promise<PlantedFault> {
  const { fault, cause, times, keyOf } = planting;
  const { view, version } = await planted(site, planting.view);
  await pauseView(site.temporal, view.name, site.signal);
  const payments = cleanPayments(site, PAYMENTS);
  await site.sendPayments(payments);
  const victim = site.random.pick(payments);
  const text = JSON.stringify(victim);
  const { partition, offset } = await findRecord(site, view, version.version, (each) => each === text);
  const isVictim = (record: RawRecord): boolean => record.partition === partition && record.offset === offset;
  const reader = changedReader(site.reader, (record) => (isVictim(record) ? Array(times).fill(record) : [record]));
  // Without a horizon no id is known any more: what comes twice counts twice. None of these payments was sent twice.
  const source = { ...view.source, dedupeHorizonUs: Number.NEGATIVE_INFINITY };
  await streamByHand(site, times === 2 ? { ...view, source } : view, version.version, reader);
  const entity = keyOf(victim);
  await site.read(view.name, entity);
  return { fault, view: view.name, cause, entity, records: [{ partition, offset }] };
}
