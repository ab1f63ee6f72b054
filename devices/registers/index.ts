/**
 * How drivers reach registers ({@link RegisterPort}, {@link RegisterPoll}), and how a device declares them.
 *
 * A block is a table of rows, one per register; a device keeps its values in a {@link RegisterBlock}, says with hooks what reads
 * and writes do beyond that, and puts the block into its {@link RegisterSpace}, once or many times:
 *
 *     const CONTEXT_BANK = defineRegisters({
 *       SCTLR: { offset: 0x00, width: 32, access: 'rw', meaning: 'Control', fields: { M: bitField(0, 1, 'Translation is on') } },
 *       TTBR0: { offset: 0x20, width: 64, access: 'rw', meaning: 'Table of the lower half' },
 *       FSR: { offset: 0x58, width: 32, access: 'w1c', meaning: 'Fault status' },
 *       TLBIALL: { offset: 0x618, width: 32, access: 'w', meaning: 'Drops every TLB entry of the bank' },
 *     });
 *     const banks = new RegisterBlock(CONTEXT_BANK, { TLBIALL: { written: (bank) => this.#dropBank(bank) } }, 8);
 *     const space = new RegisterSpace().place(banks, [0, 1, 2, 3, 4, 5, 6, 7].map((n) => 0x40000 + 0x1000 * n));
 *     space.write32(0x41618, 0); // drops bank 1
 *     banks.set(CONTEXT_BANK.FSR, 2, 1); // the device reports a fault of bank 1
 *
 * Drivers take offsets from the same table: `port.write32(bankBase + CONTEXT_BANK.SCTLR.offset, 1)`.
 */
export {
  defineRegisters,
  masksOf,
  type Register,
  type RegisterAccess,
  type RegisterLock,
  type RegisterMap,
  type RegisterSpec,
} from './declaration.ts';
export { type PollKernel, RegisterPoll } from './poll.ts';
export { type BlockHooks, type Half, RegisterBlock, type RegisterHooks } from './register-block.ts';
export { registerTable } from './register-docs.ts';
export type { RegisterBus, RegisterPort } from './register-port.ts';
export { type PlacedRegister, RegisterSpace } from './register-space.ts';
