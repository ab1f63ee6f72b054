import type { Mmu } from './mmu.ts';
import type { Outcome, TranslationRequest } from './request.ts';

/**
 * What stands around an MMU: the device that it is the translating part of. It is asked before and after the MMU, for a request alone
 * and for each of many in flight.
 */
export interface TranslatingDevice {
  readonly mmu: Mmu;
  /** Translates a request with no other in flight. @returns false when it is refused; `request.outcome` says how */
  translate(request: TranslationRequest): boolean;
  /**
   * Before the MMU sees a request.
   *
   * @returns false when the device refuses it at once; `request.outcome` says how
   */
  admit(request: TranslationRequest): boolean;
  /**
   * After the MMU: records a fault, stalls the request or lets it end, and refuses what the device cannot output.
   *
   * @param inFlight an engine holds the request until it has ended: a stalled one is parked itself, not a copy
   * @returns false when it is refused; `request.outcome` says how
   */
  settle(request: TranslationRequest, inFlight: boolean): boolean;
  /** Told that software lets a request in flight that was parked try again (OK), or how it ends it. */
  onResume: ((request: TranslationRequest, outcome: Outcome) => void) | null;
}
