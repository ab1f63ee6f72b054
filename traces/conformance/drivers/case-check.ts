/** Checking one case: its operations are played one after the other, and the first difference ends it. */
import type { Mismatch } from '../tables/index.ts';
import type { DriverEvent } from './event.ts';
import { Divergence, type RegisterPlayer } from './register-player.ts';
import { describeValue, sameValue } from './value.ts';

export class CaseCheck {
  /** The device under the driver of this case. */
  readonly player: RegisterPlayer;
  readonly #name: string;
  #ops = 0;
  #operation = 'the case';
  #mismatch: Mismatch | null = null;

  constructor(name: string, player: RegisterPlayer) {
    this.#name = name;
    this.player = player;
  }

  /** Operations begun. */
  get ops(): number {
    return this.#ops;
  }

  /** The first difference, or null. */
  get mismatch(): Mismatch | null {
    return this.#mismatch;
  }

  /**
   * The next operation: everything that `perform` does on the player must be `events`.
   * @param operation the operation in a few words, for the description of a difference
   */
  operation<T>(operation: string, events: readonly DriverEvent[], perform: () => T): T {
    this.#operation = operation;
    this.#ops++;
    return this.player.play(events, perform);
  }

  /** A value that came out: a number equals a recorded number or hexadecimal string, lists and objects go field by field. */
  equal(what: string, recorded: unknown, found: unknown): void {
    if (!sameValue(found, recorded)) throw new Divergence(what, describeValue(recorded), describeValue(found));
  }

  /** Runs the whole case. A difference is kept; every other error is a defect and goes on. */
  run(perform: () => void): void {
    try {
      perform();
    } catch (error) {
      if (!(error instanceof Divergence)) throw error;
      const { what, expected, found } = error;
      const op = Math.max(this.#ops - 1, 0);
      const operation = this.#operation;
      this.#mismatch = { caseName: this.#name, op, operation, what, expected, actual: found, details: [] };
    }
  }
}
