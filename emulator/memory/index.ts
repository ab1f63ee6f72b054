/** Physical memory, the bus with its ports, what initiators see through the CPU cache, and memory as a table walker reads it. */
export * from './bus.ts';
export * from './bus-port.ts';
export * from './cpu-cache.ts';
export * from './dma/index.ts';
export * from './live-ranges.ts';
export type { MmioDevice, MmioRange } from './mmio-map.ts';
export * from './pages/index.ts';
export * from './physical-memory.ts';
export type { WalkMemory } from './walk-memory.ts';
