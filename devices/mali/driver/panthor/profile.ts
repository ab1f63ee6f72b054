/**
 * What panthor of one kernel does otherwise than that of another, each difference by name. The driver is one; whatever is not here
 * is the same in both.
 */
import type { PollKernel } from '../../../registers/index.ts';

export const PANTHOR_KERNELS = ['6.12', '7.3'] as const;
export type PanthorKernel = (typeof PANTHOR_KERNELS)[number];

export interface PanthorProfile {
  readonly kernel: PanthorKernel;
  /** How a poll that times out ends. */
  readonly poll: PollKernel;
  /**
   * `address-space`: LOCK, then FLUSH_PT or FLUSH_MEM, which end the lock; the results of commands are ignored but for the last wait.
   * `gpu-control`: GPU_CMD flushes caches and an interrupt says when that is done; locks are ended with UNLOCK; each command is
   * waited for, and a failure is passed on.
   */
  readonly flush: 'address-space' | 'gpu-control';
  /**
   * `step`: each step of an operation on a VM flushes what it changed. `operation`: the whole range is locked before the first step
   * and flushed once after the last.
   */
  readonly lock: 'step' | 'operation';
  /** Shareability of write-back memory types on a GPU that is not coherent. */
  readonly writeBackShareability: 'cpu-inner' | 'as-coherent';
  /** Whether the thread clears all faults before it handles them, or each one while it does. */
  readonly clearFaults: 'all-first' | 'each';
  /** Whether the interrupt's mask follows which slots are enabled, or lets all through but those with an unhandled fault. */
  readonly interruptMask: 'fixed' | 'follows-slots';
  /** Whether io-pgtable splits a 2 MiB page, or the driver unmaps it whole and maps what stays. */
  readonly partOfHugePage: 'split' | 'unmap-and-remap';
  /** Whether a VM whose table may be out of step with what is known of it is closed, and its slot disabled. */
  readonly closesBrokenVm: boolean;
}

export const PANTHOR_PROFILES: Readonly<Record<PanthorKernel, PanthorProfile>> = {
  '6.12': {
    kernel: '6.12',
    poll: '6.12',
    flush: 'address-space',
    lock: 'step',
    writeBackShareability: 'cpu-inner',
    clearFaults: 'all-first',
    interruptMask: 'fixed',
    partOfHugePage: 'split',
    closesBrokenVm: false,
  },
  '7.3': {
    kernel: '7.3',
    poll: '7.3',
    flush: 'gpu-control',
    lock: 'operation',
    writeBackShareability: 'as-coherent',
    clearFaults: 'each',
    interruptMask: 'follows-slots',
    partOfHugePage: 'unmap-and-remap',
    closesBrokenVm: true,
  },
};
