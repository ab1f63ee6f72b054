/** The DMA API of an operating system: mapping, syncing, bouncing. */
export * from './config.ts';
export * from './dma-api.ts';
