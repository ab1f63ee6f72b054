/** A first-in, first-out queue that neither moves its items nor makes garbage: an array used round and round, which grows when it is full. */
export class Ring<Item> {
  length = 0;
  #items: (Item | null)[] = new Array<Item | null>(16).fill(null);
  #head = 0;

  push(item: Item): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length) & (this.#items.length - 1)] = item;
    this.length++;
  }

  /** The oldest item; null when there is none. */
  first(): Item | null {
    return this.length === 0 ? null : (this.#items[this.#head] as Item);
  }

  /** Takes the oldest item out; null when there is none. */
  shift(): Item | null {
    if (this.length === 0) return null;
    const head = this.#head;
    const item = this.#items[head] as Item;
    this.#items[head] = null;
    this.#head = (head + 1) & (this.#items.length - 1);
    this.length--;
    return item;
  }

  #grow(): void {
    const items = new Array<Item | null>(2 * this.#items.length).fill(null);
    for (let at = 0; at < this.length; at++) {
      items[at] = this.#items[(this.#head + at) & (this.#items.length - 1)] as Item;
    }
    this.#items = items;
    this.#head = 0;
  }
}
