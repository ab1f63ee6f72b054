import { ConfigError } from '../../../../formats/index.ts';

/** Hands out small numbers, lowest first, as Linux does for ASIDs and VMIDs (`ida_alloc_range`). */
export class Identifiers {
  readonly #field: string;
  readonly #last: number;
  readonly #taken = new Set<number>();
  /** No number below it is free. */
  #hint = 1;

  /** @param bits numbers are 1 to 2^bits - 1: 0 is kept for streams without a table of their own */
  constructor(field: string, bits: number) {
    this.#field = field;
    this.#last = 2 ** bits - 1;
  }

  /** @throws ConfigError when all are taken. */
  take(): number {
    let id = this.#hint;
    while (this.#taken.has(id)) id++;
    if (id > this.#last) throw new ConfigError(this.#field, id, `at most ${this.#last} at a time`);
    this.#taken.add(id);
    this.#hint = id + 1;
    return id;
  }

  release(id: number): void {
    if (this.#taken.delete(id)) this.#hint = Math.min(this.#hint, id);
  }
}
