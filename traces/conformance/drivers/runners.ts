/** Every kind of driver case that can be run. A driver adds its runners here. */
import { ARM_SMMU, ARM_SMMU_PROFILES } from './arm-smmu/index.ts';
import { ARM_SMMU_V3, ENTRY_WRITER, TLBI_RANGE } from './arm-smmu-v3/index.ts';
import { IPMMU_LINUX, IPMMU_XEN } from './ipmmu/index.ts';
import { PANFROST_RUNNERS, PANTHOR_RUNNERS } from './mali/index.ts';
import type { CaseFields, DriverRunner } from './runner.ts';

// Panthor's recognise their own lines only, panfrost's a few of panthor's too.
const RUNNERS: readonly DriverRunner[] = [
  ARM_SMMU,
  ARM_SMMU_PROFILES,
  ARM_SMMU_V3,
  ENTRY_WRITER,
  TLBI_RANGE,
  IPMMU_LINUX,
  IPMMU_XEN,
  ...PANTHOR_RUNNERS,
  ...PANFROST_RUNNERS,
];

/**
 * The runner of a line. Some cases of drivers that share their algorithm look alike (and go alike on each); for those the name of the
 * file decides, if it says the driver's.
 */
export function findRunner(line: CaseFields, file: string): DriverRunner | null {
  const fitting = RUNNERS.filter((runner) => runner.recognises(line));
  const folders = file.split(/[\\/]/);
  return fitting.find(({ name }) => folders.includes(name.split('/')[0] ?? '')) ?? fitting[0] ?? null;
}

/** The kinds, for messages. */
export function runnerNames(): string {
  return [...new Set(RUNNERS.map(({ name }) => name))].join(', ');
}
