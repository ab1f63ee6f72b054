/** AS_COMMAND: taking over registers, locking a region, dropping translations and writing caches back, each with its time. */
import type { Mmu } from '../../../emulator/index.ts';
import type { Register, RegisterBlock } from '../../registers/index.ts';
import { ADDRESS_SPACE, AsCommand, CacheAction, lockShift, lockStart } from '../spec/index.ts';
import {
  type AddressSpace,
  type AddressSpaceContexts,
  endsLock,
  type Halves,
  translationOf,
} from './address-space/index.ts';
import type { MaliConfig } from './config.ts';
import { flushCaches } from './gpu-control.ts';
import type { L2Cache } from './l2-cache.ts';

/** First address that no table translates: the model's addresses have 48 bits. */
export const ADDRESS_LIMIT = 2 ** 48;

const CLEAN_INVALIDATE = CacheAction.CLEAN | CacheAction.INVALIDATE;

export class CommandUnit {
  readonly #config: MaliConfig;
  readonly #mmu: Mmu;
  readonly #l2: L2Cache;
  readonly #contexts: AddressSpaceContexts;

  constructor(config: MaliConfig, mmu: Mmu, l2: L2Cache, contexts: AddressSpaceContexts) {
    this.#config = config;
    this.#mmu = mmu;
    this.#l2 = l2;
    this.#contexts = contexts;
  }

  /**
   * Begins a command.
   * @param registers registers of the address spaces, of which this one is `instance`
   * @returns whether it lets accesses go on that a fault or an endless lock had stopped
   */
  run(
    space: AddressSpace,
    command: number,
    registers: RegisterBlock<keyof typeof ADDRESS_SPACE>,
    instance: number,
    now: number,
  ): boolean {
    const { timing } = this.#config;
    if (!space.begin(command, now)) return false;
    if (command === AsCommand.UPDATE) {
      this.#update(space, registers, instance);
      // It drops what the TLBs hold of the address space (Arm kbase, kbase_mmu_flush_invalidate_noretain). Panthor of 7.3 relies on that.
      space.takes(timing.update + this.#mmu.invalidation.byAsid(space.number, 0), now);
      return true;
    }
    if (command === AsCommand.LOCK) {
      const { start, end } = regionOf(registers, instance);
      // It is granted when the accesses that began before it are done.
      const drained = Math.max(this.#mmu.busyUntil - now, 0);
      space.lockFrom(start, end, now);
      space.takes(timing.lock + drained, now);
      return false;
    }
    if (!endsLock(command)) return false;
    const { start, end } = space.lock ?? regionOf(registers, instance);
    space.unlockAt(space.takes(this.#flush(space, command, start, end), now));
    return true;
  }

  #update(space: AddressSpace, registers: RegisterBlock<keyof typeof ADDRESS_SPACE>, instance: number): void {
    const halves = (register: Register): Halves => ({
      low: registers.get(register, instance),
      high: registers.high(register, instance),
    });
    const next = translationOf(
      space.number,
      this.#config.paBits,
      halves(ADDRESS_SPACE.AS_TRANSTAB),
      halves(ADDRESS_SPACE.AS_TRANSCFG),
      halves(ADDRESS_SPACE.AS_MEMATTR),
    );
    space.takeOver(next);
    this.#contexts.regimes[space.number] = next.regime;
  }

  /** @returns cycles */
  #flush(space: AddressSpace, command: number, start: number, end: number): number {
    const { timing } = this.#config;
    const { invalidation } = this.#mmu;
    let cycles = timing.unlock;
    if (command !== AsCommand.UNLOCK) {
      const cores = command === AsCommand.FLUSH_MEM ? CLEAN_INVALIDATE : 0;
      cycles += flushCaches(this.#l2, timing, { l2: CLEAN_INVALIDATE, cores });
    }
    if (start === 0 && end >= ADDRESS_LIMIT) {
      space.walksSinceFlush = 0;
      return cycles + invalidation.byAsid(space.number, 0);
    }
    return cycles + invalidation.byRange(start, Math.min(end, ADDRESS_LIMIT), space.number, 0, false);
  }
}

/** What AS_LOCKADDR stands for. */
function regionOf(
  registers: RegisterBlock<keyof typeof ADDRESS_SPACE>,
  instance: number,
): { readonly start: number; readonly end: number } {
  const low = registers.get(ADDRESS_SPACE.AS_LOCKADDR, instance);
  const start = lockStart(low, registers.high(ADDRESS_SPACE.AS_LOCKADDR, instance));
  return { start, end: start + 2 ** lockShift(low) };
}
