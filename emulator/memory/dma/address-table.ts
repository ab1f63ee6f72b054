/** A number for each of many addresses: open addressing in typed arrays, because a `Map` of doubles allocates. Nothing is ever removed. */

const EMPTY = -1;

export class AddressTable {
  #keys: Float64Array = new Float64Array(64).fill(EMPTY);
  #values: Float64Array = new Float64Array(64);
  #count = 0;

  /** The value at `address`, or 0 when none was ever set. */
  get(address: number): number {
    const slot = this.#slotOf(address);
    return this.#keys[slot] === EMPTY ? 0 : (this.#values[slot] as number);
  }

  set(address: number, value: number): void {
    let slot = this.#slotOf(address);
    if (this.#keys[slot] === EMPTY) {
      if (++this.#count * 2 > this.#keys.length) {
        this.#grow();
        slot = this.#slotOf(address);
      }
      this.#keys[slot] = address;
    }
    this.#values[slot] = value;
  }

  /** Calls `visit` for each address in rising order. For reports: it sorts. */
  forEach(visit: (address: number, value: number) => void): void {
    for (const address of this.#keys.filter((key) => key !== EMPTY).sort()) visit(address, this.get(address));
  }

  /** The slot of `address`, or the empty one where it would go. */
  #slotOf(address: number): number {
    const mask = this.#keys.length - 1;
    const mixed = Math.imul((address >>> 0) ^ Math.imul(Math.floor(address / 2 ** 32), 0x9e3779b1), 0x85ebca6b);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    for (;;) {
      const key = this.#keys[slot] as number;
      if (key === address || key === EMPTY) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(keys.length * 2).fill(EMPTY);
    this.#values = new Float64Array(keys.length * 2);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number;
      if (key === EMPTY) continue;
      const slot = this.#slotOf(key);
      this.#keys[slot] = key;
      this.#values[slot] = values[i] as number;
    }
  }
}
