/** A Mali MMU over tables that the real editor writes into memory that it reads. */
import { type MaliConfigInput, MaliMmu } from '../../../../devices/index.ts';
import {
  ADDRESS_SPACE,
  AsCommand,
  addressSpaceBase,
  encodeLockAddress,
  MMU_CONTROL,
  WHOLE_SPACE,
} from '../../../../devices/mali/spec/index.ts';
import { AccessFlag, TranslationRequest, type WalkMemory } from '../../../../emulator/index.ts';
import { Gfp, type IoPgtable, type IoPgtableConfig, Prot } from '../../../../formats/index.ts';
import { LpaeRig } from '../../../formats/lpae-rig.ts';

/** Reads what the CPU wrote; outside of it is a bus error. */
class RigMemory implements WalkMemory {
  low = 0;
  high = 0;
  readonly #rig: LpaeRig;

  constructor(rig: LpaeRig) {
    this.#rig = rig;
  }

  read(pa: number, bytes: number): boolean {
    if (pa < 0x8000_0000 || pa >= 0x9000_0000) return false;
    const at = this.#rig.memory.index(pa);
    this.low = this.#rig.memory.words[at] as number;
    this.high = bytes === 8 ? (this.#rig.memory.words[at + 1] as number) : 0;
    return true;
  }

  replace(): boolean {
    throw new Error('a Mali writes no descriptors');
  }
}

export class MaliRig {
  readonly machine = new LpaeRig();
  readonly device: MaliMmu;
  readonly request = new TranslationRequest();
  readonly #lock = new Uint32Array(2);

  constructor(config: MaliConfigInput = {}) {
    this.device = new MaliMmu({ config, memory: new RigMemory(this.machine) });
  }

  table(config: Partial<IoPgtableConfig> = {}): IoPgtable {
    const pageSizes = 2 ** 12 + 2 ** 21;
    return this.machine.table({ format: 'ARM_MALI_LPAE', pageSizes, ias: 48, oas: 40, ...config });
  }

  map(table: IoPgtable, iova: number, pa: number, prot = Prot.READ | Prot.WRITE | Prot.NOEXEC, size = 4096): void {
    if (table.mapPages(iova, pa, size, 1, prot, Gfp.KERNEL) !== 0) throw new Error('not mapped');
  }

  register(as: number, name: keyof typeof ADDRESS_SPACE): number {
    return addressSpaceBase(as) + ADDRESS_SPACE[name].offset;
  }

  write64(as: number, name: keyof typeof ADDRESS_SPACE, value: bigint): void {
    const offset = this.register(as, name);
    this.device.write32(offset, Number(value & 0xffff_ffffn));
    this.device.write32(offset + 4, Number(value >> 32n));
  }

  /** Waits until the address space takes a command, and gives it. */
  command(as: number, command: number): void {
    this.idle(as);
    this.device.write32(this.register(as, 'AS_COMMAND'), command);
  }

  idle(as: number): void {
    while (this.device.read32(this.register(as, 'AS_STATUS')) !== 0) this.device.delay(1);
  }

  region(as: number, start: number, size: number): void {
    encodeLockAddress(this.#lock, start, size);
    this.write64(as, 'AS_LOCKADDR', (BigInt(this.#lock[1] as number) << 32n) | BigInt(this.#lock[0] as number));
  }

  /** What both drivers do to flush. */
  flush(as: number, start: number, size: number, command: number = AsCommand.FLUSH_PT): void {
    this.region(as, start, size);
    this.command(as, AsCommand.LOCK);
    this.command(as, command);
    this.idle(as);
  }

  /** Puts registers in force, as a driver does; legacy tables when nothing else is said. */
  enable(as: number, transtab: bigint, transcfg = 0n, memattr = 0x888d88n): void {
    this.flush(as, 0, WHOLE_SPACE, AsCommand.FLUSH_MEM);
    this.write64(as, 'AS_TRANSTAB', transtab);
    this.write64(as, 'AS_MEMATTR', memattr);
    this.write64(as, 'AS_TRANSCFG', transcfg);
    this.command(as, AsCommand.UPDATE);
    this.idle(as);
    this.device.write32(MMU_CONTROL.MMU_INT_MASK.offset, 0xffff_ffff);
  }

  /** An access of core 0 at the device's present time. */
  access(as: number, iova: number, flags: number = AccessFlag.READ, start = this.device.now): boolean {
    return this.device.translate(this.request.ask(0, as, -1, iova, flags, start));
  }
}

/** AS_TRANSTAB of a legacy table. */
export function transtabOf(table: IoPgtable): bigint {
  const { registers } = table;
  if (registers.kind !== 'mali') throw new Error('a legacy table is wanted');
  return BigInt(registers.transtab);
}
