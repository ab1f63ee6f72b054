/** What Linux's IOMMU core and its DMA API do above an IOMMU driver (drivers/iommu/iommu.c, dma-iommu.c). */
export * from './flush-queue.ts';
export * from './iova-stock.ts';
export { mapRange, unmapRange } from './map-range.ts';
