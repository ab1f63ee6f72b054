export {
  type BusyUnmapConfig,
  type BusyUnmapInput,
  type BusyUnmapReport,
  runBusyUnmap,
} from './busy-unmap.ts';
export {
  type GpuScenarioReport,
  runGpuFaultStorm,
  runGpuIdleEviction,
  runGpuStuck,
} from './gpu.ts';
export {
  runStallResume,
  type StallResumeConfig,
  type StallResumeInput,
  type StallResumeReport,
} from './stall-resume.ts';
export {
  runTeardown,
  type TeardownConfig,
  type TeardownInput,
  type TeardownReport,
  type TeardownRun,
} from './teardown.ts';
export {
  runVmBindDeadlock,
  type ScenarioEvent,
  type VmBindDeadlockConfig,
  type VmBindDeadlockInput,
  type VmBindDeadlockReport,
} from './vm-bind-deadlock.ts';
