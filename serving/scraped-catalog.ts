import type pg from 'pg';
import { alertFigures } from '../engine/alerts/alert-figures.ts';
import { webhookFigures } from '../engine/alerts/webhook-store.ts';
import { modelFigures } from '../engine/models/model-figures.ts';
import { monitorSizes } from '../engine/monitors/monitor-sizes.ts';
import { allPairs } from '../engine/pairs/pairs-status.ts';
import { keptSizes } from '../engine/postgres/kept-sizes.ts';
import { outboxTopics } from '../engine/postgres/outbox.ts';
import { latestAudits } from '../engine/postgres/parity-audits.ts';
import { openRollouts } from '../engine/postgres/rollouts.ts';
import type { Clock } from '../engine/values/clock.ts';
import { archiveProgress } from '../engine/postgres/archive-progress.ts';
import type { ScrapedViews } from './catalog-gauges.ts';
import { viewProgress } from '../engine/postgres/view-progress.ts';

const UNDEFINED_TABLE = '42P01';

/** A reader is upgraded before the workers that migrate: until then nothing is counted. */
async function ifThere<T>(found: Promise<T[]>): Promise<T[]> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === UNDEFINED_TABLE) return [];
    throw error;
  }
}

/** What the catalog says at a scrape. A database that is away is a figure of its own, not a failed scrape: null. */
export async function scrapedCatalog(pool: pg.Pool, clock: Clock): Promise<ScrapedViews | null> {
  try {
    const [progress, audits, kept, archives, models, rollouts, outbox, pairs, alerts, webhooks, monitors] =
      await Promise.all([
        viewProgress(pool),
        latestAudits(pool),
        ifThere(keptSizes(pool)),
        archiveProgress(pool),
        ifThere(modelFigures(pool)),
        ifThere(openRollouts(pool)),
        ifThere(outboxTopics(pool)),
        ifThere(allPairs(pool)),
        ifThere(alertFigures(pool, Math.floor(clock.nowUs() / 1000))),
        ifThere(webhookFigures(pool)),
        ifThere(monitorSizes(pool)),
      ]);
    return { progress, audits, kept, archives, models, rollouts, outbox, pairs, alerts, webhooks, monitors };
  } catch {
    return null;
  }
}
