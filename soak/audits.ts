import { installationNames } from '../engine/installation/installation-names.ts';
import type { Client } from '@temporalio/client';
import { internalBug } from '../engine/errors/millrace-error.ts';
import { type AuditResultSummary, type AuditSummary } from '../workflows/audit-parity/contract.ts';
import { TASK_QUEUE } from '../workflows/task-queues.ts';

/** Nothing is left out: every logged read and every stored entity. */
const ALL = 10_000_000;

/** Runs audits as workflows, one per view at a time, and keeps count of them. */
export class Audits {
  readonly #client: Client;
  #runs = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Audits so far. */
  get runs(): number {
    return this.#runs;
  }

  /** Compares all that was logged and all that is stored of a view with the log. */
  async all(view: string): Promise<AuditSummary> {
    return this.#run(view, { reads: ALL, entities: ALL });
  }

  /** A bounded audit, for while everything else goes on. */
  async some(view: string): Promise<AuditSummary> {
    return this.#run(view, { reads: 5_000, entities: 500 });
  }

  async #run(view: string, bounds: { readonly reads: number; readonly entities: number }): Promise<AuditSummary> {
    const run = ++this.#runs;
    const summary: AuditResultSummary = await this.#client.workflow.execute('auditParity', {
      workflowId: installationNames().auditId(view, `soak-${run}`),
      taskQueue: TASK_QUEUE,
      args: [{ view, ...bounds }],
    });
    if ('reason' in summary) throw internalBug(`the audit of ${view} found nothing to audit: ${summary.reason}`);
    return summary;
  }
}
