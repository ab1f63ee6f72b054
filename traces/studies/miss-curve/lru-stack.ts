const FIRST_CAPACITY = 1024;

/**
 * LRU caches of every size at once (Mattson, Gecsei, Slutz and Traiger 1970): entries in the order of their last use; one of `n` entries holds
 * the first `n` places. Its depth when it is used again is the least size that would have hit.
 *
 * What is invalidated leaves a hole, because a cache that held it has a free way and no other entry takes that by itself: a use fills the
 * uppermost hole above the place that the used entry had, and if there is one, that place becomes a hole in its turn. Entries are numbers from
 * 0; a use or a drop takes O(log n).
 */
export class LruStack {
  /** Time of an entry's last use; 0 when it is not in the stack. */
  #timeOf: Int32Array;
  /** What stands at a time: 0 nothing, an entry plus one, or a hole. */
  #at = new Int32Array(FIRST_CAPACITY + 1);
  /** Fenwick tree over times: how many places are taken, holes included. */
  #sums = new Int32Array(FIRST_CAPACITY + 1);
  #capacity = FIRST_CAPACITY;
  #now = 0;
  #places = 0;
  /** Times of the holes: a heap with the latest on top. */
  #holes = new Int32Array(64);
  #holeCount = 0;
  /** No entry was used before this time. */
  #bottom = 1;

  /** @param entries numbers of entries are mostly below this */
  constructor(entries: number) {
    this.#timeOf = new Int32Array(entries);
  }

  /** An entry is used. @returns its depth before, from 1; 0 when it was not there */
  use(entry: number): number {
    if (entry >= this.#timeOf.length) {
      const larger = new Int32Array(2 * Math.max(entry, 1));
      larger.set(this.#timeOf);
      this.#timeOf = larger;
    }
    const before = this.#timeOf[entry] as number;
    if (before === this.#now && before !== 0) return 1;
    const depth = before === 0 ? 0 : this.#places - this.#countUpTo(before) + 1;
    const hole = this.#holeCount > 0 ? (this.#holes[0] as number) : 0;
    if (hole > before) {
      this.#popHole();
      this.#take(hole, 0);
      if (before !== 0) {
        this.#at[before] = HOLE;
        this.#pushHole(before);
      }
    } else if (before !== 0) this.#take(before, 0);
    if (this.#now === this.#capacity) this.#renumber();
    this.#now++;
    this.#timeOf[entry] = this.#now;
    this.#at[this.#now] = entry + 1;
    this.#add(this.#now, 1);
    this.#places++;
    return depth;
  }

  /** An entry is invalidated. */
  drop(entry: number): void {
    const time = this.#timeOf[entry] ?? 0;
    if (time === 0) return;
    this.#timeOf[entry] = 0;
    this.#at[time] = HOLE;
    this.#pushHole(time);
  }

  /** The entry that was not used for the longest time, or -1. */
  oldest(): number {
    for (; this.#bottom <= this.#now; this.#bottom++) {
      const entry = this.#at[this.#bottom] as number;
      if (entry > 0) return entry - 1;
    }
    return -1;
  }

  /** Empties a place. */
  #take(time: number, what: number): void {
    this.#at[time] = what;
    this.#add(time, -1);
    this.#places--;
  }

  #add(time: number, change: number): void {
    const sums = this.#sums;
    for (let at = time; at <= this.#capacity; at += at & -at) sums[at] = (sums[at] as number) + change;
  }

  #countUpTo(time: number): number {
    const sums = this.#sums;
    let sum = 0;
    for (let at = time; at > 0; at -= at & -at) sum += sums[at] as number;
    return sum;
  }

  /** Gives the places times from 1 on, in their order, and room for as many uses as there are places. */
  #renumber(): void {
    const old = this.#at;
    while (this.#capacity < 2 * this.#places) this.#capacity *= 2;
    this.#at = new Int32Array(this.#capacity + 1);
    this.#sums = new Int32Array(this.#capacity + 1);
    let next = 0;
    let holes = 0;
    for (let time = 1; time < old.length; time++) {
      const entry = old[time] as number;
      if (entry === 0) continue;
      this.#at[++next] = entry;
      if (entry === HOLE) holes++;
      else this.#timeOf[entry - 1] = next;
    }
    for (let time = 1; time <= this.#capacity; time++) {
      const sum = (this.#sums[time] as number) + (time <= next ? 1 : 0);
      this.#sums[time] = sum;
      const above = time + (time & -time);
      if (above <= this.#capacity) this.#sums[above] = (this.#sums[above] as number) + sum;
    }
    // Descending times are a heap.
    let slot = holes;
    for (let time = 1; time <= next; time++) if (this.#at[time] === HOLE) this.#holes[--slot] = time;
    this.#now = next;
    this.#bottom = 1;
  }

  #pushHole(time: number): void {
    if (this.#holeCount === this.#holes.length) {
      const larger = new Int32Array(2 * this.#holeCount);
      larger.set(this.#holes);
      this.#holes = larger;
    }
    const holes = this.#holes;
    let at = this.#holeCount++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = holes[parent] as number;
      if (above >= time) break;
      holes[at] = above;
      at = parent;
    }
    holes[at] = time;
  }

  #popHole(): void {
    const holes = this.#holes;
    const last = holes[--this.#holeCount] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#holeCount) break;
      if (child + 1 < this.#holeCount && (holes[child + 1] as number) > (holes[child] as number)) child++;
      if ((holes[child] as number) <= last) break;
      holes[at] = holes[child] as number;
      at = child;
    }
    holes[at] = last;
  }
}

const HOLE = -1;
