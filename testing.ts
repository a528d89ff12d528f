/** What tests of definitions load: `import { testView } from 'millrace/testing'`. No services are needed. */
export { testView, type ReadInTest, type FedRows, type ViewUnderTest } from './engine/testing/view-under-test.ts';
