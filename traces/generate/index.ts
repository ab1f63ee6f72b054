/** Captures that nobody recorded: declared workloads, and they say so. */
export { type GpuCaptureTotals, generateGpuCapture } from './gpu-capture.ts';
export type { GpuCaptureConfig, GpuCaptureInput } from './gpu-config.ts';
