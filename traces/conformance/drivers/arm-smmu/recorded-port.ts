import type { RegisterPort } from '../../../../devices/index.ts';

/**
 * The registers of a scenario. The recorder was off during maps, so that what a map does to registers (a block that takes a table's place
 * has the table invalidated) has no events: then reads give zero, which ends every poll, and writes go nowhere.
 */
export class RecordedPort implements RegisterPort {
  /** False during what was not recorded. */
  recorded = true;
  readonly #player: RegisterPort;

  constructor(player: RegisterPort) {
    this.#player = player;
  }

  read32(offset: number): number {
    return this.recorded ? this.#player.read32(offset) : 0;
  }

  read64(offset: number, halves: Uint32Array): void {
    if (this.recorded) this.#player.read64(offset, halves);
    else halves.fill(0, 0, 2);
  }

  write32(offset: number, value: number): void {
    if (this.recorded) this.#player.write32(offset, value);
  }

  write64(offset: number, low: number, high: number): void {
    if (this.recorded) this.#player.write64(offset, low, high);
  }

  delay(microseconds: number): void {
    if (this.recorded) this.#player.delay(microseconds);
  }
}
