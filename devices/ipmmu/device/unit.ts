import { type BlockHooks, RegisterBlock, type RegisterSpace } from '../../registers/index.ts';
import {
  type ContextRegister,
  contextBase,
  contextMap,
  type IpmmuGeneration,
  MICRO_TLB,
  type MicroTlbRegister,
  microTlbBase,
  SYSTEM,
  type SystemRegister,
} from '../spec/index.ts';

/** The registers of one IPMMU, root or leaf: both have all of them. */
export class UnitRegisters {
  readonly contexts: RegisterBlock<ContextRegister>;
  readonly microTlbs: RegisterBlock<MicroTlbRegister>;
  readonly system: RegisterBlock<SystemRegister>;

  /** @param base where they are in the region of the whole system */
  constructor(
    generation: IpmmuGeneration,
    space: RegisterSpace,
    base: number,
    hooks: {
      readonly contexts: BlockHooks<ContextRegister>;
      readonly microTlbs: BlockHooks<MicroTlbRegister>;
      readonly system: BlockHooks<SystemRegister>;
    },
  ) {
    const { contexts, microTlbs } = generation;
    const places = (count: number, at: (index: number) => number): number[] =>
      Array.from({ length: count }, (_, index) => base + at(index));
    this.contexts = new RegisterBlock(contextMap(generation), hooks.contexts, contexts);
    this.microTlbs = new RegisterBlock(MICRO_TLB, hooks.microTlbs, microTlbs);
    this.system = new RegisterBlock(SYSTEM, hooks.system);
    space.place(
      this.contexts,
      places(contexts, (index) => contextBase(generation, index)),
    );
    space.place(
      this.microTlbs,
      places(microTlbs, (index) => microTlbBase(generation, index)),
    );
    if (generation.hasLeaves) space.place(this.system, [base]);
  }
}
