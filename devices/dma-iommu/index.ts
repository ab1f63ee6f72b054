/** What Linux's DMA API does above an IOMMU driver (drivers/iommu/dma-iommu.c). */
export * from './flush-queue.ts';
export { mapRange, unmapRange } from './map-range.ts';
