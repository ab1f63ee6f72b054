/** Small tables that give numbers to names and pointers found in a capture, without making a string per event. */

const EMPTY = -1;

/** FNV-1a over bytes: good enough for device names, and one multiplication per byte. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash >>> 0;
}

/** Numbers byte strings (device names) in order of first sight. */
export class NameTable {
  readonly #names: string[] = [];
  readonly #bytes: Uint8Array[] = [];
  #slots = new Int32Array(64).fill(EMPTY);

  get size(): number {
    return this.#names.length;
  }

  /** The name with this number, or an empty string. */
  name(id: number): string {
    return this.#names[id] ?? '';
  }

  /** Number of the name in `bytes[start, end)`, which it gets now if it is new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const id = this.find(bytes, start, end);
    return id === EMPTY ? this.#add(bytes.slice(start, end)) : id;
  }

  /** Number of the name in `bytes[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashBytes(bytes, start, end) & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id === EMPTY || this.#equals(id, bytes, start, end)) return id;
      slot = (slot + 1) & mask;
    }
  }

  #equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const known = this.#bytes[id];
    if (known === undefined || known.length !== end - start) return false;
    for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false;
    return true;
  }

  #add(bytes: Uint8Array): number {
    const id = this.#names.length;
    this.#bytes.push(bytes);
    this.#names.push(new TextDecoder('latin1').decode(bytes));
    // At most half full, so that a search ends soon.
    if (2 * (id + 1) > this.#slots.length) {
      this.#slots = new Int32Array(2 * this.#slots.length).fill(EMPTY);
      for (const known of this.#bytes.keys()) this.#place(known);
    } else this.#place(id);
    return id;
  }

  #place(id: number): void {
    const name = this.#bytes[id] as Uint8Array;
    const mask = this.#slots.length - 1;
    let slot = hashBytes(name, 0, name.length) & mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#slots[slot] = id;
  }
}

/** Numbers 64-bit pointers in order of first sight. A double would lose their low bits, so they come as two halves. */
export class PointerTable {
  #halves = new Int32Array(32);
  #slots = new Int32Array(64).fill(EMPTY);
  #count = 0;
  #last = 0;

  get size(): number {
    return this.#count;
  }

  /** The pointer with this number, for printing. */
  pointer(id: number): string {
    const high = (this.#halves[2 * id] ?? 0) >>> 0;
    const low = (this.#halves[2 * id + 1] ?? 0) >>> 0;
    return `0x${high.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`;
  }

  /** Number of the pointer `high * 2^32 + low`; both as signed or unsigned 32-bit halves. */
  intern(high: number, low: number): number {
    const high32 = high | 0;
    const low32 = low | 0;
    const halves = this.#halves;
    if (this.#count > 0 && halves[2 * this.#last] === high32 && halves[2 * this.#last + 1] === low32) return this.#last;
    const mask = this.#slots.length - 1;
    let slot = mix(high32, low32) & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id === EMPTY) break;
      if (halves[2 * id] === high32 && halves[2 * id + 1] === low32) {
        this.#last = id;
        return id;
      }
      slot = (slot + 1) & mask;
    }
    return this.#add(high32, low32, slot);
  }

  #add(high: number, low: number, slot: number): number {
    const id = this.#count++;
    if (2 * id + 2 > this.#halves.length) {
      const grown = new Int32Array(2 * this.#halves.length);
      grown.set(this.#halves);
      this.#halves = grown;
    }
    this.#halves[2 * id] = high;
    this.#halves[2 * id + 1] = low;
    this.#slots[slot] = id;
    if (2 * this.#count > this.#slots.length) this.#rehash(2 * this.#slots.length);
    this.#last = id;
    return id;
  }

  #rehash(length: number): void {
    this.#slots = new Int32Array(length).fill(EMPTY);
    for (let id = 0; id < this.#count; id++) {
      let slot = mix(this.#halves[2 * id] as number, this.#halves[2 * id + 1] as number) & (length - 1);
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & (length - 1);
      this.#slots[slot] = id;
    }
  }
}

function mix(high: number, low: number): number {
  const mixed = Math.imul(high ^ Math.imul(low, 0x9e3779b1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
