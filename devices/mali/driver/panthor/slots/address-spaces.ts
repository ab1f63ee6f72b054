/**
 * What panthor does to one address space of the hardware: enable, disable, lock, flush. The two kernels agree on the registers and on
 * little else; see {@link PanthorProfile}.
 */
import { Errno } from '../../../../../formats/index.ts';
import {
  ADDRESS_SPACE,
  AddressMode,
  AsCommand,
  addressSpaceBase,
  CacheAction,
  encodeLockAddress,
  flushCachesCommand,
  GPU_CONTROL,
  GpuInterrupt,
  lockShift,
  WHOLE_SPACE,
} from '../../../spec/index.ts';
import { AddressSpaceCommands } from '../../address-space-commands.ts';
import type { PanthorHost } from '../host.ts';
import type { PanthorProfile } from '../profile.ts';
import type { MmuIrq } from './interrupt.ts';

/** What an address space is enabled with: three 64-bit registers, as halves. */
export interface TranslationConfig {
  readonly transtabLow: number;
  readonly transtabHigh: number;
  readonly memattrLow: number;
  readonly memattrHigh: number;
  readonly transcfgLow: number;
  readonly transcfgHigh: number;
}

const DISABLED: TranslationConfig = {
  transtabLow: 0,
  transtabHigh: 0,
  memattrLow: 0,
  memattrHigh: 0,
  transcfgLow: AddressMode.UNMAPPED,
  transcfgHigh: 0,
};

/** Caches that the GPU's own flush cleans and invalidates; what is read only needs no cleaning. */
const FLUSH_ALL_CACHES = flushCachesCommand(
  CacheAction.CLEAN | CacheAction.INVALIDATE,
  CacheAction.CLEAN | CacheAction.INVALIDATE,
  CacheAction.INVALIDATE,
);

/** A region that the driver believes is locked. No bytes: none is. */
export interface LockedRegion {
  start: number;
  size: number;
}

export class AddressSpaces {
  /** A reset was queued and has not run. */
  resetPending = false;
  /** A cache flush was started and its interrupt has not come. */
  flushPending = false;
  readonly #profile: PanthorProfile;
  readonly #host: PanthorHost;
  readonly #irq: MmuIrq;
  readonly commands: AddressSpaceCommands;
  readonly #lockAddress = new Uint32Array(2);

  constructor(profile: PanthorProfile, host: PanthorHost, irq: MmuIrq) {
    this.#profile = profile;
    this.#host = host;
    this.#irq = irq;
    this.commands = new AddressSpaceCommands(host.registers, profile.poll, () => {
      this.scheduleReset();
      host.error('AS_ACTIVE bit stuck');
    });
  }

  /** Has the GPU reset, once. */
  scheduleReset(): void {
    if (this.resetPending) return;
    this.resetPending = true;
    this.#host.resetQueued();
  }

  /** @returns 0, or -ETIMEDOUT. */
  enable(as: number, config: TranslationConfig): number {
    if (this.#profile.flush === 'gpu-control') {
      this.#irq.enable(2 ** as);
      return this.#configure(as, config);
    }
    const flushed = this.operate(as, AsCommand.FLUSH_MEM, 0, WHOLE_SPACE);
    return flushed === 0 ? this.#configure(as, config) : flushed;
  }

  /**
   * @param recycle another VM takes the slot at once: the registers need not say that nothing is mapped (7.3)
   * @param locked what is locked there, or null
   * @returns 0, -ETIMEDOUT or -EIO.
   */
  disable(as: number, recycle: boolean, locked: Readonly<LockedRegion> | null): number {
    let result = 0;
    if (this.#profile.flush === 'address-space') {
      result = this.operate(as, AsCommand.FLUSH_MEM, 0, WHOLE_SPACE);
      return result === 0 ? this.#configure(as, DISABLED) : result;
    }
    this.#irq.disable(2 ** as);
    result = this.flushCaches();
    if (result === 0 && locked !== null && locked.size > 0) result = this.sendAndWait(as, AsCommand.UNLOCK);
    return result === 0 && !recycle ? this.#configure(as, DISABLED) : result;
  }

  /** 6.12: carries out a command on a region, with the lock that it needs. Nothing for a VM without an address space (-1). */
  operate(as: number, command: number, start: number, size: number): number {
    return this.commands.run(as, command, start, size);
  }

  /** 6.12: the lock alone. */
  lockOnly(as: number, start: number, size: number): void {
    this.commands.lock(as, start, size);
  }

  /** 7.3: a command, once the one before it is done, and its end. */
  sendAndWait(as: number, command: number): number {
    const result = this.commands.send(as, command);
    return result === 0 ? this.commands.wait(as) : result;
  }

  /** 7.3: locks `[start, start + size)`; `region` becomes what that locks. @returns 0 or -ETIMEDOUT. */
  lock(as: number, start: number, size: number, region: LockedRegion): number {
    const address = this.#lockAddress;
    if (!this.encodeRegion(start, size, region)) address.fill(0);
    this.commands.write64(as, ADDRESS_SPACE.AS_LOCKADDR, address[0] as number, address[1] as number);
    return this.sendAndWait(as, AsCommand.LOCK);
  }

  /**
   * 7.3: the region that is locked for a range. Its start keeps address bit WIDTH, as the register does, so that the region seems to
   * begin in its own middle where that bit is set.
   * @returns false, and a warning, for a size of 0. The value for AS_LOCKADDR is in {@link lockAddress}.
   */
  encodeRegion(start: number, size: number, region: LockedRegion): boolean {
    if (size === 0) {
      this.#host.warn('empty-lock');
      return false;
    }
    const address = this.#lockAddress;
    encodeLockAddress(address, start, size);
    const low = address[0] as number;
    region.start = (address[1] as number) * 2 ** 32 + (((low & ~0x3f) >>> 0) as number);
    region.size = 2 ** lockShift(low);
    return true;
  }

  /** The last value for AS_LOCKADDR. */
  get lockAddress(): Readonly<Uint32Array> {
    return this.#lockAddress;
  }

  /**
   * 7.3: ends the lock of a region, once the GPU's caches are flushed. A failure has the GPU reset, which ends the lock too.
   * @param as -1 for a VM without an address space
   */
  flushAndUnlock(as: number): void {
    if (as < 0) return;
    let result = this.flushCaches();
    if (result === 0) result = this.sendAndWait(as, AsCommand.UNLOCK);
    if (result !== 0) this.scheduleReset();
  }

  /** 7.3: has the GPU flush its caches, and sleeps until it says that it did. @returns 0, -EIO while one is under way, -ETIMEDOUT. */
  flushCaches(): number {
    if (this.flushPending) return -Errno.EIO;
    this.flushPending = true;
    const { registers } = this.#host;
    registers.write32(GPU_CONTROL.GPU_CMD.offset, FLUSH_ALL_CACHES);
    if (!this.#host.waitForFlush()) {
      // The interrupt may be late and the flush over all the same.
      const raw = registers.read32(GPU_CONTROL.GPU_INT_RAWSTAT.offset);
      if ((raw & GpuInterrupt.CLEAN_CACHES_COMPLETED) === 0) {
        this.scheduleReset();
        this.#host.error('Flush caches timeout');
        return -Errno.ETIMEDOUT;
      }
    }
    this.flushPending = false;
    return 0;
  }

  /** The registers of a fault: AS_FAULTSTATUS, and AS_FAULTADDRESS into `halves`. */
  readFault(as: number, halves: Uint32Array): number {
    const { registers } = this.#host;
    const base = addressSpaceBase(as);
    const status = registers.read32(base + ADDRESS_SPACE.AS_FAULTSTATUS.offset);
    halves[0] = registers.read32(base + ADDRESS_SPACE.AS_FAULTADDRESS.offset);
    halves[1] = registers.read32(base + ADDRESS_SPACE.AS_FAULTADDRESS.offset + 4);
    return status;
  }

  #configure(as: number, config: TranslationConfig): number {
    const commands = this.commands;
    commands.write64(as, ADDRESS_SPACE.AS_TRANSTAB, config.transtabLow, config.transtabHigh);
    commands.write64(as, ADDRESS_SPACE.AS_MEMATTR, config.memattrLow, config.memattrHigh);
    commands.write64(as, ADDRESS_SPACE.AS_TRANSCFG, config.transcfgLow, config.transcfgHigh);
    // Up to 6.12 nobody waits for the update.
    return this.#profile.flush === 'gpu-control'
      ? this.sendAndWait(as, AsCommand.UPDATE)
      : commands.send(as, AsCommand.UPDATE);
  }
}
