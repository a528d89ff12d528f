import type { CompiledView, ServiceBlock } from '../../engine/define/compiled-view.ts';
import { blockOf } from '../../engine/define/service-blocks.ts';

/** Views as the blocks of a service, none in a role. */
export function plainBlocks(views: readonly CompiledView[]): ServiceBlock[] {
  return views.map((view) => blockOf(view));
}
