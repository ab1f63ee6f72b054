/** Captures that nobody recorded: declared workloads, and they say so. */
export { type GpuCaptureTotals, generateGpuCapture } from './gpu-capture.ts';
export { type GpuCaptureConfig, type GpuCaptureInput, GpuCaptureSchema } from './gpu-config.ts';
