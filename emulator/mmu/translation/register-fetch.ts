import type { TranslationRegime } from '../regime/index.ts';
import { type ContextFetch, ContextStatus, ContextStructure } from './context-source.ts';

/** What the registers of a device say of its streams. */
export interface RegisterContexts {
  /** The same object for as long as the registers are the same; null for a stream that cannot be translated. */
  contextOf(streamId: number): TranslationRegime | null;
  /** Why there is none: never 0 ({@link ContextFetch.fault}). */
  contextFaultOf(streamId: number): number;
}

/** A fetch that reads no memory: contexts lie in registers, as those of an SMMUv2, a Mali and an IPMMU do. */
export class RegisterFetch implements ContextFetch {
  readonly address = 0;
  readonly bytes = 0;
  readonly structure = ContextStructure.STREAM;
  readonly stage2 = null;
  readonly vmid = 0;
  regime: TranslationRegime | null = null;
  fault = 0;
  readonly #contexts: RegisterContexts;

  constructor(contexts: RegisterContexts) {
    this.#contexts = contexts;
  }

  begin(streamId: number, _substreamId: number): ContextStatus {
    this.regime = this.#contexts.contextOf(streamId);
    this.fault = this.regime === null ? this.#contexts.contextFaultOf(streamId) : 0;
    return this.step(0);
  }

  step(_pa: number): ContextStatus {
    return this.regime === null ? ContextStatus.FAULT : ContextStatus.DONE;
  }
}
