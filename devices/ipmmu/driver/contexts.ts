/** The contexts of a root IPMMU and who has them: the lowest free one is given out. */
export class ContextPool<Owner> {
  readonly #owners: (Owner | null)[];
  readonly #first: number;

  /** @param reserved how many of the lowest ones are never given out */
  constructor(count: number, reserved: number) {
    this.#owners = new Array<Owner | null>(count).fill(null);
    this.#first = reserved;
  }

  /** Gives a context to `owner`; -1 when all are taken. */
  take(owner: Owner): number {
    for (let context = this.#first; context < this.#owners.length; context++) {
      if (this.#owners[context] !== null) continue;
      this.#owners[context] = owner;
      return context;
    }
    return -1;
  }

  release(context: number): void {
    this.#owners[context] = null;
  }

  ownerOf(context: number): Owner | null {
    return this.#owners[context] ?? null;
  }

  /** The taken ones, lowest first. */
  *inUse(): Generator<readonly [context: number, owner: Owner]> {
    for (const [context, owner] of this.#owners.entries()) {
      if (owner !== null) yield [context, owner];
    }
  }
}
