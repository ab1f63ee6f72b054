/** One address space of the MMU: what it translates with, the command it carries out, the region it locks, and the fault it stopped at. */

import { FindingKind } from '../../../../emulator/index.ts';
import { hexText } from '../../../../formats/index.ts';
import { AS_COMMAND_NAMES, AsCommand } from '../../spec/index.ts';
import type { AsTranslation } from './translation.ts';

/** A region that was or is locked: accesses to it wait. */
interface LockWindow {
  readonly start: number;
  readonly end: number;
  /** Cycle from which it holds. */
  readonly from: number;
  /** Cycle at which it ends; Infinity while nothing has ended it. */
  until: number;
}

/** Windows kept after their end, for accesses that began before. */
const WINDOWS = 4;

export class AddressSpace {
  readonly number: number;
  /** What it translates with since the last UPDATE; null before the first one. */
  translation: AsTranslation | null = null;
  /** The command under way is done at this cycle; Infinity: stuck. */
  activeUntil = 0;
  /** It had a fault and waits for software. */
  stopped = false;
  /** The fault registers. */
  faultStatus = 0;
  faultAddress = 0;
  faultExtra = 0;
  /** Table walks since everything of it was flushed: more than 0, and caches may hold something of what it was. */
  walksSinceFlush = 0;

  // Counters.
  /** Commands carried out, by number. */
  readonly commands = new Float64Array(6);
  /** Commands written while one was under way, which the register does not take. */
  commandsWhileActive = 0;
  /** Cycles in which it carried out commands. */
  activeCycles = 0;
  /** Locks, and cycles for which some region of it was locked. */
  locks = 0;
  lockedCycles = 0;
  /** Accesses that waited for a lock to end, and their cycles. */
  lockWaits = 0;
  lockWaitCycles = 0;
  /** Accesses to a region that nothing had unlocked yet. */
  lockedOut = 0;
  /** Faults recorded, and faults that found the registers taken. */
  faults = 0;
  faultsUnrecorded = 0;
  /** Other tables were put in while caches may still have held what was reached through the old ones. */
  reusedBeforeFlush = 0;

  /** Told what the driver does wrong, as far as it shows here. */
  onMisuse: (kind: FindingKind, iova: number, detail: string) => void = () => {};

  #windows: LockWindow[] = [];

  constructor(number: number) {
    this.number = number;
  }

  /** The region locked now, or null. */
  get lock(): { readonly start: number; readonly end: number } | null {
    const last = this.#windows.at(-1);
    return last?.until === Number.POSITIVE_INFINITY ? last : null;
  }

  /** Begins a command. @returns false when one is under way */
  begin(command: number, now: number): boolean {
    if (now < this.activeUntil) {
      this.commandsWhileActive++;
      const name = AS_COMMAND_NAMES[command] ?? String(command);
      this.onMisuse(
        FindingKind.COMMAND_WHILE_ACTIVE,
        0,
        `${name} was written to AS_COMMAND of address space ${this.number} while AS_ACTIVE was set`,
      );
      return false;
    }
    this.commands[command] = (this.commands[command] ?? 0) + 1;
    return true;
  }

  /** The command just begun takes so long. @returns the cycle at which it is done */
  takes(cycles: number, now: number): number {
    this.activeUntil = now + cycles;
    this.activeCycles += cycles;
    return this.activeUntil;
  }

  /** Locks a region from a cycle on; a region locked before is locked no longer. */
  lockFrom(start: number, end: number, from: number): void {
    this.unlockAt(from);
    this.locks++;
    this.#windows.push({ start, end, from, until: Number.POSITIVE_INFINITY });
    if (this.#windows.length > WINDOWS) this.#windows.shift();
  }

  /** Ends the lock, if there is one, at a cycle. */
  unlockAt(cycle: number): void {
    const last = this.#windows.at(-1);
    if (last?.until !== Number.POSITIVE_INFINITY) return;
    last.until = cycle;
    this.lockedCycles += cycle - last.from;
  }

  /** Cycle at which an access that begins at `start` may go on; Infinity while nothing has ended the lock. */
  freeAt(iova: number, start: number): number {
    let free = start;
    for (const window of this.#windows) {
      if (free >= window.from && free < window.until && iova >= window.start && iova < window.end) free = window.until;
    }
    if (free === start) return start;
    if (free === Number.POSITIVE_INFINITY) {
      this.lockedOut++;
      this.onMisuse(
        FindingKind.LOCKED_OUT,
        iova,
        `an access to ${hexText(iova)} of address space ${this.number} waits for a lock that nothing has ended`,
      );
    } else {
      this.lockWaits++;
      this.lockWaitCycles += free - start;
    }
    return free;
  }

  /** Takes over what it translates with. */
  takeOver(next: AsTranslation): void {
    if (this.walksSinceFlush > 0 && next.base !== (this.translation?.base ?? 0)) {
      this.reusedBeforeFlush++;
      this.onMisuse(
        FindingKind.REUSED_CONTEXT,
        0,
        `address space ${this.number} was given other tables without a flush since it was last used`,
      );
    }
    this.translation = next;
  }

  /** After a reset of the GPU. Counters stay. */
  reset(): void {
    this.translation = null;
    this.activeUntil = 0;
    this.stopped = false;
    this.faultStatus = 0;
    this.faultAddress = 0;
    this.faultExtra = 0;
    this.walksSinceFlush = 0;
    this.#windows = [];
  }
}

/** Commands that end a lock, drop translations of the region and let what a fault stopped go on (Arm kbase, AS_COMMAND_UNLOCK). */
export function endsLock(command: number): boolean {
  return command === AsCommand.UNLOCK || command === AsCommand.FLUSH_PT || command === AsCommand.FLUSH_MEM;
}
