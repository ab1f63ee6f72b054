/**
 * How the drivers talk to one address space of the MMU: poll AS_STATUS, write a command, lock a region. Panthor up to 6.12 and every
 * panfrost do it like this; panthor of 2026 polls after each command too and flushes with GPU_CMD.
 */
import { Errno } from '../../../formats/index.ts';
import { type PollKernel, RegisterPoll, type RegisterPort } from '../../registers/index.ts';
import { ADDRESS_SPACE, AS_ACTIVE, AsCommand, addressSpaceBase, encodeLockAddress } from '../spec/index.ts';

/** Microseconds between two looks at AS_STATUS, and until the driver gives up. */
const POLL_DELAY = 10;
const POLL_TIMEOUT = 100_000;

export class AddressSpaceCommands {
  /** Commands given, by number, and waits for AS_ACTIVE to go away. */
  readonly given = new Float64Array(6);
  waits = 0;
  readonly #port: RegisterPort;
  readonly #poll: RegisterPoll;
  readonly #stuck: (as: number) => void;
  readonly #lockAddress = new Uint32Array(2);

  /** @param stuck AS_ACTIVE did not go away in 100 ms: the driver schedules a reset of the GPU and says so. */
  constructor(port: RegisterPort, kernel: PollKernel, stuck: (as: number) => void) {
    this.#port = port;
    this.#poll = new RegisterPoll(port, kernel);
    this.#stuck = stuck;
  }

  /** Waits for the command being carried out. @returns 0, or -ETIMEDOUT. */
  wait(as: number): number {
    this.waits++;
    const status = addressSpaceBase(as) + ADDRESS_SPACE.AS_STATUS.offset;
    if (this.#poll.until(status, AS_ACTIVE, 0, POLL_DELAY, POLL_TIMEOUT)) return 0;
    this.#stuck(as);
    return -Errno.ETIMEDOUT;
  }

  /** Gives a command once the one before is done, and does not wait for it. @returns 0, or -ETIMEDOUT: then it was not given. */
  send(as: number, command: number): number {
    const ret = this.wait(as);
    if (ret !== 0) return ret;
    this.given[command] = (this.given[command] ?? 0) + 1;
    this.#port.write32(addressSpaceBase(as) + ADDRESS_SPACE.AS_COMMAND.offset, command);
    return 0;
  }

  /** Locks the smallest region that holds the range; nothing for a size of 0. A lock that is not granted is not noticed. */
  lock(as: number, start: number, size: number): void {
    if (size === 0) return;
    encodeLockAddress(this.#lockAddress, start, size);
    this.write64(as, ADDRESS_SPACE.AS_LOCKADDR, this.#lockAddress[0] as number, this.#lockAddress[1] as number);
    this.send(as, AsCommand.LOCK);
  }

  /**
   * Carries out a command on a region: locks it, gives the command, and waits for its end. A flush ends the lock by itself.
   * @param as -1 for a context without an address space: nothing is done.
   * @returns 0, or -ETIMEDOUT of the last wait.
   */
  run(as: number, command: number, start: number, size: number): number {
    if (as < 0) return 0;
    if (command !== AsCommand.UNLOCK) this.lock(as, start, size);
    this.send(as, command);
    return this.wait(as);
  }

  /** Writes a 64-bit register of an address space, as the drivers do: the lower half, then the upper one. */
  write64(as: number, register: { readonly offset: number }, low: number, high: number): void {
    const offset = addressSpaceBase(as) + register.offset;
    this.#port.write32(offset, low);
    this.#port.write32(offset + 4, high);
  }
}
