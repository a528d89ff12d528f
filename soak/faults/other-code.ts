import { CATALOG } from '../../engine/postgres/schemas.ts';
import type pg from 'pg';
import { internalBug } from '../../engine/errors/millrace-error.ts';
import { pauseView } from '../lifecycles.ts';
import { cleanPayments, type FaultSite, type PlantedFault, planted, streamByHand } from './fault-site.ts';

const VIEW = 'shop_quality';
const PAYMENTS = 30;

/**
 * The stream of a paused view is run by another version of its code. The engine refuses that, so that the check is led up the garden
 * path: while the other code streams, the catalog says that this is how the version was built.
 */
export async function plantOtherCode(site: FaultSite): Promise<PlantedFault> {
  const { view, version } = await planted(site, VIEW);
  const other = site.changed.views.get(VIEW);
  if (other === undefined || other.fingerprint === view.fingerprint)
    throw internalBug(`the changed definitions have no other code for ${VIEW}`);
  await pauseView(site.temporal, VIEW, site.signal);
  const payments = cleanPayments(site, PAYMENTS).map((payment) => ({ ...payment, rating: payment.rating ?? 3 }));
  await site.sendPayments(payments);
  await setFingerprint(site.pool, version.version, other.fingerprint);
  try {
    await streamByHand(site, { ...other, source: view.source }, version.version, site.reader);
  } finally {
    await setFingerprint(site.pool, version.version, view.fingerprint);
  }
  for (const shop of new Set(payments.map((payment) => payment.shop))) await site.read(VIEW, { shop });
  return { fault: "another version's code", view: VIEW, cause: 'definition-version', entity: null, records: null };
}

async function setFingerprint(pool: pg.Pool, version: number, fingerprint: string): Promise<void> {
  await pool.query(`UPDATE ${CATALOG.text}.view_version SET fingerprint = $1 WHERE view = $2 AND version = $3`, [
    fingerprint,
    VIEW,
    version,
  ]);
}
