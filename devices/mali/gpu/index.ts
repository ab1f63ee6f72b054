/** A GPU that makes accesses: shader cores and a tiler over surfaces in memory, with panfrost behind them. */
export { GpuEngine, runGpuWorkload } from './engine.ts';
export { GpuSystem, type GpuSystemOptions } from './gpu-system.ts';
export type { GpuJobReport, GpuRunReport } from './report.ts';
export { type SurfaceTiles, tilesOf } from './surface-layout.ts';
export { type GpuWorkload, type GpuWorkloadInput, parseGpuWorkload } from './workload.ts';
