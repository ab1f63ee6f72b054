/**
 * The second pass over the cases of panfrost and panthor: the same operations, performed on our device instead of on what was recorded.
 * The recording still says what the world did: which faults came, which pages there were, whether a command got stuck. Everything the
 * driver waits for it waits for at the device, and at the end of each operation the device's registers must hold what the real driver
 * wrote there last, no command may be under way, and what was put in force is what accesses are translated with.
 */
import { MaliMmu, maliSpec } from '../../../../devices/index.ts';
import { hexText } from '../../../quantity.ts';
import type { DriverEvent } from '../event.ts';
import { Divergence, RegisterPlayer } from '../register-player.ts';

const { ADDRESS_SPACE, MMU_CONTROL, GPU_CONTROL, AsCommand, MMU_BASE, MMU_END, MMU_AS_STRIDE } = maliSpec;

/** A poll that was recorded with so many reads ran out of time. */
const STUCK_READS = 1000;

/** Registers that say what happened to the GPU: their reads come from the recording. */
const WORLD = new Set<number>([
  MMU_CONTROL.MMU_INT_RAWSTAT.offset,
  MMU_CONTROL.MMU_INT_STAT.offset,
  GPU_CONTROL.GPU_INT_RAWSTAT.offset,
]);
const WORLD_OF_SPACE = new Set<number>([
  ADDRESS_SPACE.AS_FAULTSTATUS.offset,
  ADDRESS_SPACE.AS_FAULTADDRESS.offset,
  ADDRESS_SPACE.AS_FAULTADDRESS.offset + 4,
]);
/** Registers that keep what is written to them. */
const KEPT = new Set<number>([
  ...[ADDRESS_SPACE.AS_TRANSTAB, ADDRESS_SPACE.AS_MEMATTR, ADDRESS_SPACE.AS_LOCKADDR].flatMap(({ offset }) => [
    offset,
    offset + 4,
  ]),
  ADDRESS_SPACE.AS_TRANSCFG.offset,
]);
/** A fault of which only that it is there matters: a level 3 translation fault of a read. */
const SOME_FAULT = 0x2c3;

/** Where in its address space a register is, or -1 for a global one. */
function inSpace(offset: number): number {
  return offset >= MMU_BASE && offset < MMU_END ? (offset - MMU_BASE) % MMU_AS_STRIDE : -1;
}

/** Stands in for the player of a recording, with a device behind it. */
export class DevicePlayer extends RegisterPlayer {
  readonly device: MaliMmu;
  /** Registers compared. */
  compared = 0;
  #events: readonly DriverEvent[] = [];
  /** The first event that the driver has not come to. */
  #at = 0;
  /** Reads of the world and answers of it that were used, by event. */
  readonly #used = new Set<number>();
  /** The last value written to each register that keeps one, and the last command of each address space, in this operation. */
  readonly #written = new Map<number, number>();
  readonly #commanded = new Map<number, number>();

  constructor(family: 'job-manager' | 'csf') {
    super();
    // No access is made, so nothing is walked.
    const memory = { low: 0, high: 0, read: () => false, replace: () => false };
    this.device = new MaliMmu({ config: { family, asPresent: 0xffff }, memory });
  }

  override begin(events: readonly DriverEvent[]): void {
    this.#events = events;
    this.#at = 0;
    this.#used.clear();
    this.#written.clear();
    this.#commanded.clear();
    this.#injectFaults();
  }

  override finish(): void {
    for (const [offset, value] of this.#written) this.#expectKept(offset, value);
    for (const [as, command] of this.#commanded) this.#expectDone(as, command);
  }

  override read32(offset: number): number {
    const within = inSpace(offset);
    if (WORLD.has(offset) || WORLD_OF_SPACE.has(within)) return this.#recorded(offset);
    if (within === ADDRESS_SPACE.AS_STATUS.offset) this.#stick(offset);
    return this.device.read32(offset);
  }

  override write32(offset: number, value: number): void {
    this.#skipTo(offset);
    const within = inSpace(offset);
    if (KEPT.has(within) || offset === MMU_CONTROL.MMU_INT_MASK.offset) this.#written.set(offset, value >>> 0);
    if (within === ADDRESS_SPACE.AS_COMMAND.offset) {
      this.#commanded.set(Math.floor((offset - MMU_BASE) / MMU_AS_STRIDE), value);
    }
    this.device.write32(offset, value);
  }

  override read64(offset: number, halves: Uint32Array): void {
    halves[0] = this.read32(offset);
    halves[1] = this.read32(offset + 4);
  }

  override write64(offset: number, low: number, high: number): void {
    this.write32(offset, low);
    this.write32(offset + 4, high);
  }

  override delay(microseconds: number): void {
    this.device.delay(microseconds);
  }

  /** What the driver did besides registers was compared in the first pass. */
  override expect(): void {}

  override take(kind: string, ...known: readonly unknown[]): readonly unknown[] {
    const at = this.#next((event) => event[0] === kind);
    if (kind === 'wait') this.device.now = Math.max(this.device.now, this.device.gpuBusyUntil);
    return (this.#events[at] ?? []).slice(known.length + 1);
  }

  override warn(): void {}

  override log(): void {}

  /** Gives the device the faults that were recorded in this operation. */
  #injectFaults(): void {
    const raw = this.#events.find(
      ([kind, offset]) => kind === 'r32' && Number(offset) === MMU_CONTROL.MMU_INT_RAWSTAT.offset,
    );
    const bits = Number(raw?.[2] ?? 0);
    for (let as = 0; as < maliSpec.MAX_ADDRESS_SPACES; as++) {
      if (((bits >>> as) & 1) !== 0) this.device.injectFault(as, SOME_FAULT, 0);
      if (((bits >>> (as + 16)) & 1) !== 0) this.device.injectFault(as, SOME_FAULT, 0, true);
    }
  }

  /** The recorded value of the next read of a register of the world. */
  #recorded(offset: number): number {
    const at = this.#next(([kind, where]) => kind === 'r32' && Number(where) === offset);
    // A 64-bit read of the recording serves two reads of halves.
    if (at < 0) return this.#half(offset);
    return Number(this.#events[at]?.[2] ?? 0);
  }

  #half(offset: number): number {
    const low = offset & ~7;
    const at = this.#events.findIndex(([kind, where]) => kind === 'r64' && Number(where) === low);
    const value = BigInt(String(this.#events[at]?.[2] ?? '0x0'));
    return Number(offset === low ? value & 0xffffffffn : value >> 32n);
  }

  /** Index of the next unused event, from where the driver is on. */
  #next(is: (event: DriverEvent) => boolean): number {
    for (let at = 0; at < this.#events.length; at++) {
      if (this.#used.has(at) || !is(this.#events[at] as DriverEvent)) continue;
      this.#used.add(at);
      return at;
    }
    return -1;
  }

  /** Moves on past the recorded write that the driver is making. */
  #skipTo(offset: number): void {
    for (let at = this.#at; at < this.#events.length; at++) {
      const [kind, where] = this.#events[at] as DriverEvent;
      if (!kind.startsWith('w') || kind === 'wait' || kind === 'warn') continue;
      if (Number(where) === offset || (kind === 'w64' && Number(where) + 4 === offset)) this.#at = at + 1;
      return;
    }
  }

  /** Lets the device hang where the recorded one did, and lets go where that one answered again. */
  #stick(offset: number): void {
    const as = Math.floor((offset - MMU_BASE) / MMU_AS_STRIDE);
    for (let at = this.#at; at < this.#events.length; at++) {
      const [kind, where, , reads] = this.#events[at] as DriverEvent;
      if (kind.startsWith('w') && kind !== 'warn' && kind !== 'wait') break;
      if (kind !== 'r32' || Number(where) !== offset) continue;
      if (typeof reads === 'number' && reads >= STUCK_READS) {
        this.device.stick(as);
        return;
      }
    }
    const space = this.device.spaces.get(as);
    if (space?.activeUntil === Number.POSITIVE_INFINITY) space.activeUntil = this.device.now;
  }

  #expectKept(offset: number, value: number): void {
    this.compared++;
    const within = inSpace(offset);
    let kept = this.device.read32(offset);
    let wanted = value;
    if (within === ADDRESS_SPACE.AS_TRANSCFG.offset) {
      // Bits that no field names do not exist.
      wanted = (value & ADDRESS_SPACE.AS_TRANSCFG.mask[0]) >>> 0;
      kept = kept >>> 0;
    }
    if (kept !== wanted) throw new Divergence(`register ${hexText(offset)} at the end`, hexText(wanted), hexText(kept));
  }

  /** After the last command: done, unless it hangs; a flush has ended its lock, and an update is in force. */
  #expectDone(as: number, command: number): void {
    const space = this.device.spaces.get(as);
    if (space === undefined || space.activeUntil === Number.POSITIVE_INFINITY) return;
    this.compared++;
    if (space.commandsWhileActive > 0) throw new Divergence(`commands while active of AS${as}`, '0', 'some');
    const locked = space.lock !== null;
    if (locked !== (command === AsCommand.LOCK) && command !== AsCommand.UPDATE) {
      throw new Divergence(
        `lock of AS${as} after command ${command}`,
        String(command === AsCommand.LOCK),
        String(locked),
      );
    }
    if (command !== AsCommand.UPDATE) return;
    const transtab = this.device.read32(maliSpec.addressSpaceBase(as) + ADDRESS_SPACE.AS_TRANSTAB.offset);
    const base = (space.translation?.base ?? 0) % 2 ** 32;
    // Unmapped and identity have no table.
    const walks = (space.translation?.regime?.stage1 ?? null) !== null;
    if (walks && Math.floor(base / 4096) !== Math.floor(transtab / 4096)) {
      throw new Divergence(`table in force in AS${as}`, hexText(transtab), hexText(base));
    }
  }
}
