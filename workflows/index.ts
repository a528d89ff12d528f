/** The entry of the workflow bundle: what a worker on `millrace` can run. */
export { archiveSource } from './archive-source.ts';
export { auditParity } from './audit-parity.ts';
export { exportTrainingSet } from './export-training-set.ts';
export { featureLifecycle } from './feature-lifecycle.ts';
