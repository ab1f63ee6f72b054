import { decodeField, hexText } from '../../../../formats/index.ts';
import type { RegisterPort } from '../../../registers/index.ts';
import {
  BANK,
  CBFRSYNRA,
  FSR,
  FSYNR0,
  GR0,
  GR1,
  RESUME,
  type RegisterPages,
  SGFSR,
  SGFSYNR1,
} from '../../spec/index.ts';
import type { ArmSmmuKernel } from '../models.ts';
import { FSR_FAULTS } from './context-bank.ts';

/** Answers of a fault handler that mean something to the driver. */
export const FaultAnswer = {
  /** There is no handler, or it does not want the fault (-ENOSYS). */
  NONE: -38,
  /** Try the access again (-EAGAIN). */
  RETRY: -11,
} as const;

/** A fault of a context bank, as its registers tell it. */
export interface ContextFault {
  readonly bank: number;
  /** Input address as two halves. */
  readonly addressLow: number;
  readonly addressHigh: number;
  readonly fsr: number;
  readonly fsynr0: number;
  /** CBFRSYNRA of the bank. */
  readonly stream: number;
  readonly write: boolean;
}

export type DriverLog = (level: 'err' | 'warn', text: string) => void;

/**
 * The driver's two interrupt handlers. A handler returns false when the interrupt was not its own, and has then written nothing
 * (Linux `arm_smmu_context_fault`, `arm_smmu_global_fault`).
 */
export class FaultHandlers {
  readonly #port: RegisterPort;
  readonly #pages: RegisterPages;
  readonly #kernel: ArmSmmuKernel;
  readonly #log: DriverLog;
  readonly #halves = new Uint32Array(2);

  constructor(port: RegisterPort, pages: RegisterPages, kernel: ArmSmmuKernel, log: DriverLog) {
    this.#port = port;
    this.#pages = pages;
    this.#kernel = kernel;
    this.#log = log;
  }

  /** @param report the domain's handler: 0, a negative error number or a value of {@link FaultAnswer} */
  context(bank: number, report: (fault: ContextFault) => number): boolean {
    const port = this.#port;
    const at = this.#pages.bank(bank);
    port.read64(at + BANK.FAR.offset, this.#halves);
    const fsr = port.read32(at + BANK.FSR.offset);
    const fsynr0 = port.read32(at + BANK.FSYNR0.offset);
    const stream = port.read32(this.#pages.global1 + GR1.CBFRSYNRA.offset + 4 * bank);
    if ((fsr & FSR_FAULTS) === 0) return false;
    const fault: ContextFault = {
      bank,
      addressLow: this.#halves[0] as number,
      addressHigh: this.#halves[1] as number,
      fsr,
      fsynr0,
      stream,
      write: (fsynr0 & FSYNR0.WNR.lowMask) !== 0,
    };
    const answer = report(fault);
    if (answer === FaultAnswer.NONE) for (const line of describeContextFault(fault)) this.#log('err', line);
    port.write32(at + BANK.FSR.offset, fsr);
    if (this.#kernel.answersStalls && (fsr & FSR.SS.lowMask) !== 0) {
      port.write32(at + BANK.RESUME.offset, answer === FaultAnswer.RETRY ? 0 : RESUME.TNR.lowMask);
    }
    return true;
  }

  global(): boolean {
    const port = this.#port;
    const status = port.read32(GR0.sGFSR.offset);
    const syndromes = [GR0.sGFSYNR0, GR0.sGFSYNR1, GR0.sGFSYNR2].map(({ offset }) => port.read32(offset));
    if (status === 0) return false;
    const [, stream = 0] = syndromes;
    if ((status & SGFSR.USF.lowMask) !== 0) {
      const id = decodeField(SGFSYNR1.StreamID, stream, 0);
      this.#log('err', `stream id ${hexText(id)} is unknown and was blocked`);
    } else this.#log('err', 'unexpected global fault');
    const values = syndromes.map((value, i) => `, GFSYNR${i} 0x${hex8(value)}`);
    this.#log('err', `\tGFSR 0x${hex8(status)}${values.join('')}`);
    port.write32(GR0.sGFSR.offset, status);
    return true;
  }
}

/** Flags of FSR and FSYNR0 in the order in which Linux names them. */
const FSR_BEFORE_FORMAT = ['MULTI', 'SS'] as const;
const FSR_AFTER_FORMAT = ['UUT', 'ASF', 'TLBLKF', 'TLBMCF', 'EF', 'PF', 'AFF', 'TF'] as const;
const FSYNR0_FLAGS = ['AFR', 'PTWF', 'NSATTR', 'IND', 'PNU', 'WNR'] as const;

/** A fault in the words in which the kernel log has it. */
function describeContextFault(fault: ContextFault): string[] {
  const { bank, addressLow, addressHigh, fsr, fsynr0, stream } = fault;
  const iova = addressHigh === 0 ? addressLow.toString(16) : addressHigh.toString(16) + hex8(addressLow);
  const fsrFlags = (names: readonly (keyof typeof FSR)[]): string[] =>
    names.filter((name) => decodeField(FSR[name], fsr, 0) !== 0);
  const format = `Format=${decodeField(FSR.FORMAT, fsr, 0)}`;
  const states = [...fsrFlags(FSR_BEFORE_FORMAT), format, ...fsrFlags(FSR_AFTER_FORMAT)];
  const syndrome = [
    `S1CBNDX=${decodeField(FSYNR0.S1CBNDX, fsynr0, 0)}`,
    ...FSYNR0_FLAGS.filter((name) => decodeField(FSYNR0[name], fsynr0, 0) !== 0),
    `PLVL=${decodeField(FSYNR0.PLVL, fsynr0, 0)}`,
  ];
  const fields = [
    `fsr=${hexText(fsr)}`,
    `iova=0x${iova.padStart(8, '0')}`,
    `fsynr=${hexText(fsynr0)}`,
    `cbfrsynra=${hexText(stream)}`,
    `cb=${bank}`,
  ];
  const sid = decodeField(CBFRSYNRA.StreamID, stream, 0).toString(16);
  return [
    `Unhandled context fault: ${fields.join(', ')}`,
    `FSR    = ${hex8(fsr)} [${states.join(' ')}], SID=0x${sid}`,
    `FSYNR0 = ${hex8(fsynr0)} [${syndrome.join(' ')}]`,
  ];
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}
