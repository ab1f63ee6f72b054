import type { TranslationRegime } from '../regime/index.ts';
import type { ContextFetch, ContextSource } from './context-source.ts';
import { type RegisterContexts, RegisterFetch } from './register-fetch.ts';

/** A stream without a regime. */
const NO_REGIME = 1;

/** A source that needs no memory: a regime per stream, set by hand. For tests and bare tables. */
export class FixedContexts implements ContextSource, RegisterContexts {
  readonly #regimes = new Map<number, TranslationRegime>();
  readonly #otherwise: TranslationRegime | null;

  /** @param otherwise regime of every stream that has none of its own; null lets such streams fault with 1 */
  constructor(otherwise: TranslationRegime | null = null) {
    this.#otherwise = otherwise;
  }

  /** Gives a stream its regime; the MMU sees it once its configuration cache is invalidated. */
  set(streamId: number, regime: TranslationRegime): void {
    this.#regimes.set(streamId, regime);
  }

  contextOf(streamId: number): TranslationRegime | null {
    return this.#regimes.get(streamId) ?? this.#otherwise;
  }

  contextFaultOf(_streamId: number): number {
    return NO_REGIME;
  }

  newFetch(): ContextFetch {
    return new RegisterFetch(this);
  }
}
