import { Prng } from '../../formats/index.ts';
import type { PlantedBugsConfig, RegisterBugs } from '../planted-bugs/index.ts';
import type { RegisterPort } from '../registers/index.ts';
import {
  CONTEXT,
  type ContextRegister,
  contextBase,
  IMUCTR,
  Imctr,
  Imuctr,
  type IpmmuGeneration,
  MICRO_TLB,
  microTlbBase,
} from './spec/index.ts';

const PAGE = 0x1000;
/** TSZ0 of 30 input bits. */
const TWO_BITS_LESS = 2;

/** Registers of contexts in which something goes wrong. */
const WATCHED = ['IMCTR', 'IMTTBCR', 'IMTTLBR0', 'IMMAIR0'] as const satisfies readonly ContextRegister[];

/** Accesses of an IPMMU driver that gets registers and commands wrong. */
export class PlantedWrites implements RegisterBugs {
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  readonly #port: RegisterPort;
  /** The register at an offset, and for IMCTR that of the next context. */
  readonly #registers = new Map<number, { readonly name: ContextRegister | 'IMUCTR'; readonly next: number }>();
  /** The flush under way is not waited for. */
  #impatient = false;

  /** @param bases where the registers of each IPMMU begin */
  constructor(bugs: PlantedBugsConfig, port: RegisterPort, generation: IpmmuGeneration, bases: readonly number[]) {
    this.#bugs = bugs;
    this.#port = port;
    this.#prng = new Prng(bugs.seed);
    for (const base of bases) {
      for (let context = 0; context < generation.contexts; context++) {
        const at = base + contextBase(generation, context);
        const next = base + contextBase(generation, (context + 1) % generation.contexts) + CONTEXT.IMCTR.offset;
        for (const name of WATCHED) this.#registers.set(at + CONTEXT[name].offset, { name, next });
      }
      for (let microTlb = 0; microTlb < generation.microTlbs; microTlb++) {
        const at = base + microTlbBase(generation, microTlb) + MICRO_TLB.IMUCTR.offset;
        this.#registers.set(at, { name: 'IMUCTR', next: at });
      }
    }
  }

  read(offset: number): number {
    if (!this.#impatient || this.#registers.get(offset)?.name !== 'IMCTR') return -1;
    this.#impatient = false;
    return 0;
  }

  write(offset: number, halves: Uint32Array): number {
    const bugs = this.#bugs;
    const low = halves[0] as number;
    const register = this.#registers.get(offset);
    switch (register?.name) {
      case 'IMCTR':
        if ((low & Imctr.FLUSH) === 0 || (low & Imctr.MMUEN) === 0) break;
        this.#impatient = this.#prng.chance(bugs.skipSync);
        if (!this.#prng.chance(bugs.wrongTag)) break;
        halves[0] = this.#port.read32(register.next) | Imctr.FLUSH;
        return register.next;
      case 'IMTTLBR0':
        if (bugs.wrongRoot) halves[0] = low + PAGE;
        break;
      case 'IMTTBCR':
        if (bugs.wrongSize) halves[0] = low + TWO_BITS_LESS;
        break;
      case 'IMMAIR0':
        // Byte 0 to byte 1, and so on round.
        if (bugs.wrongAttributes) halves[0] = (low << 8) | (low >>> 24);
        break;
      case 'IMUCTR':
        if ((low & Imuctr.MMUEN) === 0) break;
        if (bugs.bypass) halves[0] = 0;
        if (bugs.otherContext) halves[0] = low + (1 << IMUCTR.TTSEL.lsb);
        break;
    }
    return offset;
  }
}

/** Whether any of these bugs is planted. */
export function spoilsWrites(bugs: PlantedBugsConfig): boolean {
  const { bypass, otherContext, wrongRoot, wrongSize, wrongAttributes, skipSync, wrongTag } = bugs;
  return bypass || otherContext || wrongRoot || wrongSize || wrongAttributes || skipSync + wrongTag > 0;
}
