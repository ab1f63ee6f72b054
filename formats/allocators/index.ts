export {
  AllocatorContext,
  type AllocatorFinding,
  type AllocatorFindingKind,
  type AllocatorLayer,
  SYSTEM_PAGE,
  type SystemPages,
} from './allocator.ts';
export { type AllocatorCosts, AllocatorCostsSchema, ZERO_4K_CYCLES } from './costs.ts';
export {
  AccountingAllocator,
  BatchAllocator,
  CarveOutAllocator,
  CheckedAllocator,
  FailingAllocator,
  GenericCacheAllocator,
  type OwnerAccount,
  PoolAllocator,
  type ProtectedOwner,
  type Reservation,
  ReserveAllocator,
  SizingAllocator,
} from './layers/index.ts';
export { mapReservation, piecesReservation, replaceReservation, unmapReservation } from './reservation-size.ts';
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
  layerOptions,
  parseStackSpec,
} from './stack-spec.ts';
export type { AllocatorCounters } from './stats.ts';
