/** The page allocator of an operating system. */
export { type BuddyZone, MAX_ORDER, PAGE_SHIFT, PAGE_SIZE } from './buddy-zone.ts';
export { DEFAULT_PAGE_COSTS, type PageAllocatorConfig, PageAllocatorSchema } from './config.ts';
export * from './page-allocator.ts';
export * from './system-pages.ts';
