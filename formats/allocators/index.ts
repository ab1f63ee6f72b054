export { AccountingAllocator, type OwnerAccount } from './accounting.ts';
export {
  AllocatorContext,
  type AllocatorFinding,
  type AllocatorFindingKind,
  type AllocatorLayer,
  SYSTEM_PAGE,
  type SystemPages,
} from './allocator.ts';
export { BatchAllocator } from './batch.ts';
export { CarveOutAllocator, type ProtectedOwner } from './carve-out.ts';
export { CheckedAllocator } from './checked.ts';
export { type AllocatorCosts, AllocatorCostsSchema, ZERO_4K_CYCLES } from './costs.ts';
export { FailingAllocator } from './failing.ts';
export { GenericCacheAllocator } from './generic-cache.ts';
export { PoolAllocator } from './pool.ts';
export { mapReservation, replaceReservation, unmapReservation } from './reservation-size.ts';
export { type Reservation, ReserveAllocator } from './reserve.ts';
export { SizingAllocator } from './sizing.ts';
export {
  type AllocatorReport,
  AllocatorStack,
  type AllocatorStackOptions,
  type AllocatorTotals,
  createAllocatorStack,
} from './stack.ts';
export {
  describeStack,
  LAYERS,
  type LayerSpec,
  type LayerSpecInput,
  LayerSpecSchema,
  layerOptions,
  parseStackSpec,
} from './stack-spec.ts';
export type { AllocatorCounters } from './stats.ts';
