/** The entry of the workflow bundle: what a worker on `millrace` can run. */
export { archiveSource } from './archive-source/workflow.ts';
export { auditParity } from './audit-parity/workflow.ts';
export { exportTrainingSet } from './export-training-set/workflow.ts';
export { featureLifecycle } from './feature-lifecycle/workflow.ts';
export { joinPairs } from './join-pairs/workflow.ts';
export { modelRollout } from './model-rollout/workflow.ts';
export { trainModel } from './train-model/workflow.ts';
export { watchMonitors } from './watch-monitors/workflow.ts';
