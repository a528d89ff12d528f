/** What a file of definitions imports of `millrace`, without the parts that read and serve: quick to load. A subset of `index.ts`. */
export { decimal } from '../contract/decimal.ts';
export { epoch } from '../contract/epoch.ts';
export { MillraceError } from '../errors/millrace-error.ts';
export { decisions } from './decisions.ts';
export { entity } from './entity.ts';
export { featureService } from './feature-service.ts';
export { featureView } from './feature-view.ts';
export { labelSet } from './label-set.ts';
export { monitor } from './monitor.ts';
export { outcomes } from './outcomes.ts';
export { pairs } from './pairs.ts';
export { source } from './source.ts';
