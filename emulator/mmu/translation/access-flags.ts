import { Permission } from '../regime/index.ts';

/** How a master accesses: the `flags` of a `TranslationRequest`. */
export const AccessFlag = {
  READ: 0,
  WRITE: 1,
  PRIVILEGED: 2,
  /** Instruction fetch. */
  EXECUTE: 4,
  /** The address is in the upper half (TTBR1), given as its low bits. */
  UPPER: 8,
  /** A prefetch: it fills TLBs, and nobody is told when it faults. */
  PREFETCH: 16,
} as const;

/** Which caches served a translation: bits of `TranslationRequest.hit`, as the reference traces number them. */
export const HitFlag = {
  MICRO_TLB: 1,
  MAIN_TLB: 2,
  TLB: 4,
  /** The configuration was fetched from memory. */
  CONFIGURATION_FETCHED: 8,
  /** Waited for another miss of the same page. */
  HELD: 16,
  WALKED: 32,
} as const;

/** `Permission` bits that an access needs, by READ, WRITE, PRIVILEGED and EXECUTE of its flags. */
const NEEDED = [
  Permission.READ,
  Permission.WRITE,
  Permission.PRIVILEGED_READ,
  Permission.PRIVILEGED_WRITE,
  Permission.EXECUTE,
  Permission.WRITE,
  Permission.PRIVILEGED_EXECUTE,
  Permission.PRIVILEGED_WRITE,
];

/** Permission bits needed by an access with these flags. */
export function neededPermissions(flags: number): number {
  return NEEDED[flags & 7] as number;
}
