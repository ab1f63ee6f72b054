import { type ContextFetch, ContextStatus, ContextStructure, type TranslationRegime } from '../../../emulator/index.ts';

/** The driver gave a micro-TLB a context that the generation does not have. */
const NO_SUCH_CONTEXT = 1;

/** Who knows what the registers say of a stream. */
interface StreamRegisters {
  /** Null for a context that does not exist. */
  lookUp(streamId: number): TranslationRegime | null;
}

/** A fetch that reads no memory: contexts lie in registers. */
export class RegisterFetch implements ContextFetch {
  readonly address = 0;
  readonly bytes = 0;
  readonly structure = ContextStructure.CONTEXT;
  readonly stage2 = null;
  readonly vmid = 0;
  regime: TranslationRegime | null = null;
  fault = 0;
  readonly #device: StreamRegisters;

  constructor(device: StreamRegisters) {
    this.#device = device;
  }

  begin(streamId: number): ContextStatus {
    this.regime = this.#device.lookUp(streamId);
    this.fault = this.regime === null ? NO_SUCH_CONTEXT : 0;
    return this.regime === null ? ContextStatus.FAULT : ContextStatus.DONE;
  }

  step(): ContextStatus {
    return this.regime === null ? ContextStatus.FAULT : ContextStatus.DONE;
  }
}
