import type { RegisterHooks } from '../../registers/index.ts';

/** RAWSTAT, CLEAR, MASK and STAT of one of the GPU's interrupts, and the wire behind them. */
export class InterruptLine {
  /** Told when the wire goes up. */
  onRaised: () => void = () => {};
  #raw = 0;
  #mask = 0;
  #high = false;
  readonly #cleared: (bits: number) => void;

  /** @param cleared told the bits that software cleared */
  constructor(cleared: (bits: number) => void = () => {}) {
    this.#cleared = cleared;
  }

  get raw(): number {
    return this.#raw;
  }

  get mask(): number {
    return this.#mask;
  }

  /** Whether the wire is up. */
  get raised(): boolean {
    return this.#high;
  }

  raise(bits: number): void {
    this.#raw = (this.#raw | bits) >>> 0;
    this.#update();
  }

  clear(bits: number): void {
    this.#raw = (this.#raw & ~bits) >>> 0;
    this.#update();
    this.#cleared(bits);
  }

  setMask(bits: number): void {
    this.#mask = bits >>> 0;
    this.#update();
  }

  reset(): void {
    this.#raw = 0;
    this.#mask = 0;
    this.#high = false;
  }

  #update(): void {
    const high = (this.#raw & this.#mask) !== 0;
    const rose = high && !this.#high;
    this.#high = high;
    if (rose) this.onRaised();
  }
}

/** What the four registers of a line do. */
export interface LineHooks {
  readonly rawstat: RegisterHooks;
  readonly clear: RegisterHooks;
  readonly mask: RegisterHooks;
  readonly stat: RegisterHooks;
}

/** @param settle brings the line up to date before anybody looks at it */
export function lineHooks(line: InterruptLine, settle: () => void): LineHooks {
  const read = (value: () => number): RegisterHooks => ({
    read: () => {
      settle();
      return value();
    },
  });
  const write = (take: (bits: number) => void): ((bits: number) => null) => {
    return (bits) => {
      settle();
      take(bits);
      return null;
    };
  };
  return {
    rawstat: read(() => line.raw),
    stat: read(() => line.raw & line.mask),
    clear: { write: write((bits) => line.clear(bits)) },
    mask: { read: () => line.mask, write: write((bits) => line.setMask(bits)) },
  };
}
