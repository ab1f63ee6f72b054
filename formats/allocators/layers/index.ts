/** What an allocator is built of, from the top of a stack to its bottom. */
export { AccountingAllocator, AccountingOptionsSchema, type OwnerAccount } from './accounting.ts';
export { BatchAllocator, BatchOptionsSchema } from './batch.ts';
export { CarveOutAllocator, CarveOutOptionsSchema, type ProtectedOwner } from './carve-out.ts';
export { CheckedAllocator } from './checked.ts';
export { FailingAllocator, FailingOptionsSchema } from './failing.ts';
export { GenericCacheAllocator, GenericCacheOptionsSchema } from './generic-cache.ts';
export { PageAllocator } from './page.ts';
export { PoolAllocator, PoolOptionsSchema } from './pool.ts';
export { type Reservation, ReserveAllocator, ReserveOptionsSchema } from './reserve.ts';
export { SizingAllocator, SizingOptionsSchema } from './sizing.ts';
