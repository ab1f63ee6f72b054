import {
  type ContextFetch,
  type ContextSource,
  type RegisterContexts,
  RegisterFetch,
  type TranslationRegime,
} from '../../../../emulator/index.ts';

/** Why an address space has nothing to translate with: it is unmapped, or does not exist. */
export const ContextFault = { UNMAPPED: 1 } as const;

/** The address spaces of a Mali as the streams of an MMU: stream number = address space. What each translates with lies in registers. */
export class AddressSpaceContexts implements ContextSource, RegisterContexts {
  /** What each address space translates with; null: unmapped. */
  readonly regimes: (TranslationRegime | null)[];

  constructor(spaces: number) {
    this.regimes = new Array<TranslationRegime | null>(spaces).fill(null);
  }

  contextOf(streamId: number): TranslationRegime | null {
    return this.regimes[streamId] ?? null;
  }

  contextFaultOf(_streamId: number): number {
    return ContextFault.UNMAPPED;
  }

  newFetch(): ContextFetch {
    return new RegisterFetch(this);
  }
}
