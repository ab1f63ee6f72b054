import type { RegisterBlock } from '../../registers/index.ts';
import { COMMAND_BYTES, CommandError, Cr0, Gerror, QUEUE_BASE, REGISTERS, type RegisterName } from '../spec/index.ts';
import type { CommandConsumer } from './command-consumer.ts';
import type { Interrupts } from './interrupts.ts';

/** The SMMU's end of the command queue: where the queue is, and how far it was read (IHI 0070 section 3.5). */
export class CommandQueue {
  readonly #registers: RegisterBlock<RegisterName>;
  readonly #commands: CommandConsumer;
  readonly #interrupts: Interrupts;
  readonly #mostBits: number;
  #base = 0;
  #consuming = false;
  /** Bits of an index into the queue; the wrap flag is the bit above. */
  #indexMask = 0;

  /** @param mostBits log2 of the largest queue, IDR1.CMDQS */
  constructor(
    registers: RegisterBlock<RegisterName>,
    commands: CommandConsumer,
    interrupts: Interrupts,
    mostBits: number,
  ) {
    this.#registers = registers;
    this.#commands = commands;
    this.#interrupts = interrupts;
    this.#mostBits = mostBits;
  }

  /** CMDQ_BASE was written. */
  move(): void {
    const registers = this.#registers;
    const log2Size = registers.field(REGISTERS.CMDQ_BASE, QUEUE_BASE.LOG2SIZE);
    this.#base = registers.field(REGISTERS.CMDQ_BASE, QUEUE_BASE.ADDR);
    this.#indexMask = 2 ** Math.min(log2Size, this.#mostBits) - 1;
  }

  /**
   * Carries out commands until the queue is empty or one is wrong. What a command does may write registers of the SMMU itself (the MSI of
   * a CMD_SYNC aimed at CMDQ_PROD): this loop then sees it, not another one inside. Commands that keep the queue filled that way would
   * go on for ever; here they stop after two laps, until the next register write.
   */
  consume(): void {
    if (this.#consuming) return;
    this.#consuming = true;
    const registers = this.#registers;
    const indexMask = this.#indexMask;
    const mask = 2 * indexMask + 1;
    for (let left = 2 * (indexMask + 1); left > 0; left--) {
      const read = registers.get(REGISTERS.CMDQ_CONS) & mask;
      if (((read ^ registers.get(REGISTERS.CMDQ_PROD)) & mask) === 0) break;
      if ((registers.get(REGISTERS.CR0ACK) & Cr0.CMDQEN) === 0) break;
      if ((this.#interrupts.activeErrors & Gerror.CMDQ_ERR) !== 0) break;
      const error = this.#commands.execute(this.#base + (read & indexMask) * COMMAND_BYTES);
      if (error !== CommandError.NONE) {
        registers.set(REGISTERS.CMDQ_CONS, read | (error << 24));
        this.#interrupts.fail(Gerror.CMDQ_ERR);
        break;
      }
      // The error of an earlier command stays to be seen until the next one.
      registers.set(REGISTERS.CMDQ_CONS, ((read + 1) & mask) | (registers.get(REGISTERS.CMDQ_CONS) & 0x7f00_0000));
    }
    this.#consuming = false;
  }
}
