export {
  type BusyUnmapConfig,
  type BusyUnmapInput,
  type BusyUnmapReport,
  BusyUnmapSchema,
  runBusyUnmap,
} from './busy-unmap.ts';
export {
  GpuFaultStormSchema,
  GpuIdleEvictionSchema,
  type GpuScenarioReport,
  GpuStuckSchema,
  runGpuFaultStorm,
  runGpuIdleEviction,
  runGpuStuck,
} from './gpu.ts';
export {
  runStallResume,
  type StallResumeConfig,
  type StallResumeInput,
  type StallResumeReport,
  StallResumeSchema,
} from './stall-resume.ts';
export {
  runTeardown,
  type TeardownConfig,
  type TeardownInput,
  type TeardownReport,
  type TeardownRun,
  TeardownSchema,
} from './teardown.ts';
export {
  runVmBindDeadlock,
  type ScenarioEvent,
  type VmBindDeadlockConfig,
  type VmBindDeadlockInput,
  type VmBindDeadlockReport,
  VmBindDeadlockSchema,
} from './vm-bind-deadlock.ts';
