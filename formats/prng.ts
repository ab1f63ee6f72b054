/**
 * The project's one source of chance: a seeded generator, so that the same inputs and the same seed give the same bytes out.
 * Not for cryptography.
 */

const TWO_TO_32 = 2 ** 32;

/**
 * xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021): 128 bits of state, period
 * 2^128 - 1. The state is filled from the seed by SplitMix32, so that neighbouring seeds give unrelated streams.
 */
export class Prng {
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;

  /** @param seed any number; its integer part modulo 2^53 selects the stream. */
  constructor(seed: number) {
    const whole = Number.isFinite(seed) ? Math.abs(Math.trunc(seed)) : 0;
    let state = ((whole >>> 0) ^ Math.imul(Math.floor(whole / TWO_TO_32) >>> 0, 0x85ebca6b)) >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 0;
    };
    this.#s0 = next();
    this.#s1 = next();
    this.#s2 = next();
    // The all-zero state is the one state the generator never leaves.
    this.#s3 = next() | 1;
  }

  /** The next 32 bits, 0 to 2^32 - 1. */
  next32(): number {
    const scrambled = Math.imul(this.#s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= shifted;
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21);
    return result;
  }

  /** A number in [0, 1) with 53 random bits. */
  unit(): number {
    return ((this.next32() >>> 5) * 2 ** 26 + (this.next32() >>> 6)) / 2 ** 53;
  }

  /** A whole number in [0, limit), for a limit from 1 to 2^53. */
  below(limit: number): number {
    return limit <= TWO_TO_32 ? Math.floor((this.next32() / TWO_TO_32) * limit) : Math.floor(this.unit() * limit);
  }

  /** True with the given probability. A probability of 0 or 1 draws nothing, so that switching it off disturbs no other draw. */
  chance(probability: number): boolean {
    if (probability <= 0) return false;
    return probability >= 1 || this.unit() < probability;
  }
}
