/** The entry of the workflow bundle: what a worker on `millrace` can run. */
export { exportTrainingSet } from './export-training-set.ts';
export { featureLifecycle } from './feature-lifecycle.ts';
