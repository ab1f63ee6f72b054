import type { IoPgtable } from '../../../formats/index.ts';

/** What is asked of an address space before it has an SMMU. */
export interface DomainOptions {
  /** A domain for a guest's own stage 1, for which stage 2 is used where there is one (Linux 6.12 `enable_nesting`). */
  readonly nesting?: boolean;
  /** The upper half of the address space (TTBR1) instead of the lower one. */
  readonly upper?: boolean;
}

/** An address space: one table in one context bank. Made by `Smmuv2Driver.createDomain`, finished by its first attach. */
export interface Smmuv2Domain extends Readonly<Required<DomainOptions>> {
  /** What it became; null before its first attach and after it was freed. */
  context: DomainContext | null;
}

/** The table of a domain, and where the SMMU has it. */
export interface DomainContext {
  readonly stage: 1 | 2;
  readonly aarch64: boolean;
  readonly table: IoPgtable;
  readonly bank: number;
  /** ASID of a stage 1, VMID of a stage 2. */
  readonly tag: number;
  /** Interrupt of the bank. */
  readonly interrupt: number;
  /** The table is the upper half (TTBR1). */
  readonly upper: boolean;
}
