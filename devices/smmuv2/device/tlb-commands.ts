import type { Mmu } from '../../../emulator/index.ts';
import { TWO_32 } from '../../../formats/index.ts';

/** One page as the registers count them, whatever the granule. */
const PAGE = 4096;
/** Bit 55 of an address, in the high half of its page number: the address is in the upper half. */
const SIGN_BIT = 1 << (55 - 12 - 32);
/** Bits of a page number in its high half. */
const PAGE_HIGH_BITS = 0xfff;

/** What an address in a register means to a bank. */
export interface AddressMeaning {
  readonly asid: number;
  readonly vmid: number;
  /** Input bits of the upper half; 0 where the bank has none. */
  readonly upperBits: number;
}

/**
 * TLB maintenance as registers begin it: what is dropped, and how long the TLBs are busy with it. A write returns at once; software
 * finds out by a sync, and polls its status (Arm IHI 0062D, section 4.3). Operations are carried out in the order of the writes, one
 * at a time.
 */
export class TlbCommands {
  /** Cycle at which everything that was begun is done. */
  busyUntil = 0;
  /** Cycle at which the last global sync is over, and the last one of each bank. */
  globalSync = 0;
  readonly bankSync: Float64Array;
  readonly #mmu: Mmu;

  constructor(mmu: Mmu, banks: number) {
    this.#mmu = mmu;
    this.bankSync = new Float64Array(banks);
  }

  /** By input address. @param meaning.asid `ANY` for every ASID */
  address(now: number, low: number, high: number, { asid, vmid, upperBits }: AddressMeaning, leafOnly: boolean): void {
    const upper = upperBits > 0 && (high & SIGN_BIT) !== 0;
    let iova = (low + (high & PAGE_HIGH_BITS) * TWO_32) * PAGE;
    if (upper) iova %= 2 ** upperBits;
    this.#takes(now, this.#mmu.invalidation.byAddress(iova, asid, vmid, leafOnly, upper));
  }

  /** By intermediate address. */
  intermediate(now: number, low: number, high: number, vmid: number, leafOnly: boolean): void {
    const ipa = (low + (high & PAGE_HIGH_BITS) * TWO_32) * PAGE;
    this.#takes(now, this.#mmu.invalidation.byIpa(ipa, vmid, leafOnly));
  }

  asid(now: number, asid: number, vmid: number): void {
    this.#takes(now, this.#mmu.invalidation.byAsid(asid, vmid));
  }

  /** @param stage2 stage-2 entries too */
  vmid(now: number, vmid: number, stage2: boolean): void {
    this.#takes(now, this.#mmu.invalidation.byVmid(vmid, stage2));
  }

  all(now: number): void {
    this.#takes(now, this.#mmu.invalidation.all());
  }

  syncGlobal(now: number): void {
    this.globalSync = this.#sync(now);
  }

  syncBank(now: number, bank: number): void {
    this.bankSync[bank] = this.#sync(now);
  }

  /** Begins a sync. @returns the cycle at which it is over */
  #sync(now: number): number {
    this.#mmu.invalidation.observer?.completed?.();
    const start = Math.max(now, this.busyUntil);
    this.busyUntil = start + this.#mmu.invalidation.sync(start, this.#mmu.busyUntil);
    return this.busyUntil;
  }

  #takes(now: number, cycles: number): void {
    this.busyUntil = Math.max(now, this.busyUntil) + cycles;
  }
}
