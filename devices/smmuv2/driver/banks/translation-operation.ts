import { hexText, TWO_32 } from '../../../../formats/index.ts';
import { RegisterPoll, type RegisterPort } from '../../../registers/index.ts';
import { BANK, PAR, type RegisterPages, TLB_STATUS } from '../../spec/index.ts';
import type { DomainContext } from '../domain.ts';
import type { ArmSmmuKernel } from '../models.ts';
import type { DriverLog } from './faults.ts';

/** Poll of ATSR in microseconds. */
const POLL = { delay: 5, timeout: 50 } as const;
const PAGE = 4096;
/** Linux takes bits 39 to 12 of PAR, whatever the output size: larger addresses lose their upper bits. */
const PAR_HIGH_BITS = 0xff;

/** Asking the SMMU itself where an address goes (Linux `arm_smmu_iova_to_phys_hard`). */
export class TranslationOperation {
  readonly #port: RegisterPort;
  readonly #pages: RegisterPages;
  readonly #poll: RegisterPoll;
  readonly #log: DriverLog;
  readonly #halves = new Uint32Array(2);

  constructor(port: RegisterPort, pages: RegisterPages, kernel: ArmSmmuKernel, log: DriverLog) {
    this.#port = port;
    this.#pages = pages;
    this.#poll = new RegisterPoll(port, kernel.version);
    this.#log = log;
  }

  /**
   * @param iova of an upper-half domain, the low bits
   * @returns the physical address, 0 for a fault, as Linux has it; the software's answer when the SMMU does not end
   */
  physical(context: DomainContext, iova: number, upper: boolean): number {
    const port = this.#port;
    const at = this.#pages.bank(context.bank);
    const offset = iova % PAGE;
    const page = iova - offset;
    if (context.aarch64) {
      const sign = upper ? TWO_32 - 2 ** (context.table.config.ias - 32) : 0;
      port.write64(at + BANK.ATS1PR.offset, page >>> 0, Math.floor(page / TWO_32) + sign);
    } else port.write32(at + BANK.ATS1PR.offset, page >>> 0);
    if (!this.#poll.until(at + BANK.ATSR.offset, TLB_STATUS.ACTIVE.lowMask, 0, POLL.delay, POLL.timeout)) {
      this.#log('err', `the SMMU does not translate ${hexText(iova)}: the table is walked by software`);
      return context.table.iovaToPhys(iova);
    }
    port.read64(at + BANK.PAR.offset, this.#halves);
    const [low = 0, high = 0] = this.#halves;
    if ((low & PAR.F.lowMask) !== 0) {
      this.#log('err', 'translation fault');
      this.#log('err', `PAR = 0x${(BigInt(high) * 2n ** 32n + BigInt(low)).toString(16)}`);
      return 0;
    }
    return (high & PAR_HIGH_BITS) * TWO_32 + (low - (low % PAGE)) + offset;
  }
}
