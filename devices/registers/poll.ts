import type { RegisterPort } from './register-port.ts';

/** Kernel whose way to end a poll that times out is followed: before 6.13 it reads twice more at the end, later kernels once. */
export type PollKernel = '6.12' | '7.3';

/**
 * Linux `readl_poll_timeout_atomic`: reads a register until `mask` of it equals `wanted`, with a delay after each read that does not.
 * The budget in nanoseconds falls by the delay, and by 1 ns for the turn of the loop, so a stuck register is read
 * `timeout / delay` times with a delay and then once (7.3) or twice (6.12) without.
 *
 * @param delay microseconds between reads; 0 for none
 * @param timeout microseconds; 0 polls for ever
 * @returns the last value read is in `value`; whether it was the wanted one
 */
export class RegisterPoll {
  /** The last value read. */
  value = 0;
  readonly #port: RegisterPort;
  readonly #readsAfterExpiry: boolean;

  constructor(port: RegisterPort, kernel: PollKernel) {
    this.#port = port;
    this.#readsAfterExpiry = kernel === '6.12';
  }

  until(offset: number, mask: number, wanted: number, delay: number, timeout: number): boolean {
    const port = this.#port;
    let left = timeout * 1000;
    for (;;) {
      const expired = timeout !== 0 && left < 0;
      this.value = port.read32(offset);
      if ((this.value & mask) >>> 0 === wanted) return true;
      if (expired) {
        if (!this.#readsAfterExpiry) return false;
        this.value = port.read32(offset);
        return (this.value & mask) >>> 0 === wanted;
      }
      if (delay > 0) {
        port.delay(delay);
        left -= delay * 1000;
      }
      left--;
    }
  }
}
