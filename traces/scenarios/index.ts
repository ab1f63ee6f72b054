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
