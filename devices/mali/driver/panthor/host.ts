/** What panthor stands on besides page tables: registers, sleeping, and the parts of the GPU driver that are not the MMU's. */
import type { RegisterPort } from '../../../registers/index.ts';

/** The places where panthor has a WARN_ON. A warning never changes the result. */
export type PanthorWarning =
  /** No VM could be found whose address space may be taken. */
  | 'no-idle-vm'
  /** The microcontroller's slot is taken. */
  | 'mcu-slot-taken'
  /** io-pgtable unmapped less than it was asked for. */
  | 'short-unmap'
  /** Unmapping made no progress at all. */
  | 'unmap-stuck'
  /** Mapping failed, in a kernel where that closes the VM. */
  | 'map-failed'
  /** io-pgtable mapped nothing and reported no error. */
  | 'nothing-mapped'
  /** What was mapped before the failure could not be unmapped. */
  | 'undo-failed'
  /** An operation needed more tables than were reserved for it. */
  | 'reservation-exhausted'
  /** A region of size 0 was to be locked. */
  | 'empty-lock'
  /** Pages outside the locked region were unmapped. */
  | 'unlocked-unmap'
  /** A region was widened by one that does not touch it. */
  | 'disjoint-lock'
  /** An address space was enabled for a VM with a lock pending. */
  | 'locked-at-enable'
  /** A VM became idle that has no address space, or is idle already. */
  | 'idle-without-slot';

/** What goes wrong with a flush on purpose, so that the sanitizer can be seen to find it. */
export type FlushBug = 'none' | 'forgotten' | 'whole-space' | 'too-small';

export interface PanthorHost {
  readonly registers: RegisterPort;
  /** Sleeps until the GPU's interrupt says that the cache flush is done. @returns false when 100 ms pass without it. */
  waitForFlush(): boolean;
  /** The reset of the GPU was queued: its work runs later. */
  resetQueued(): void;
  /** The scheduler is told that some address space has an unhandled fault. */
  reportFault(): void;
  warn(code: PanthorWarning): void;
  /** Asked before each flush of an edit. Absent: none goes wrong. */
  flushBug?(): FlushBug;
  /** An error message for people. */
  error(text: string): void;
}
