/** Buffer objects: what a VM maps. */
import type { Segment } from '../../scatter-list.ts';

export interface PanthorBuffer {
  /** What people, and recorded steps, call it. */
  readonly name: number;
  /** Bytes. */
  readonly size: number;
  readonly segments: readonly Segment[];
  /** Whether the page at byte `offset` is part of a physically contiguous 2 MiB. */
  isHuge(offset: number): boolean;
}

/** Flags of a mapping, as VM_BIND has them (`DRM_PANTHOR_VM_BIND_OP_MAP_*`). */
export const MapFlag = {
  READONLY: 1,
  NOEXEC: 2,
  UNCACHED: 4,
  /** 7.3: nothing is behind the range; reads are answered by a dummy buffer, mapped again and again. */
  SPARSE: 8,
} as const;
