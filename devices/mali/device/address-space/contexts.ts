import {
  type ContextFetch,
  type ContextSource,
  ContextStatus,
  ContextStructure,
  type TranslationRegime,
} from '../../../../emulator/index.ts';

/** Why an address space has nothing to translate with: it is unmapped, or does not exist. */
export const ContextFault = { UNMAPPED: 1 } as const;

/** The address spaces of a Mali as the streams of an MMU: stream number = address space. What each translates with lies in registers. */
export class AddressSpaceContexts implements ContextSource {
  /** What each address space translates with; null: unmapped. */
  readonly regimes: (TranslationRegime | null)[];

  constructor(spaces: number) {
    this.regimes = new Array<TranslationRegime | null>(spaces).fill(null);
  }

  newFetch(): ContextFetch {
    return new RegisterFetch(this.regimes);
  }
}

/** A fetch that reads nothing. */
class RegisterFetch implements ContextFetch {
  readonly address = 0;
  readonly bytes = 0;
  readonly structure = ContextStructure.STREAM;
  readonly stage2 = null;
  readonly vmid = 0;
  regime: TranslationRegime | null = null;
  fault = 0;
  readonly #regimes: readonly (TranslationRegime | null)[];

  constructor(regimes: readonly (TranslationRegime | null)[]) {
    this.#regimes = regimes;
  }

  begin(streamId: number): ContextStatus {
    this.regime = this.#regimes[streamId] ?? null;
    this.fault = this.regime === null ? ContextFault.UNMAPPED : 0;
    return this.regime === null ? ContextStatus.FAULT : ContextStatus.DONE;
  }

  step(): ContextStatus {
    return ContextStatus.DONE;
  }
}
