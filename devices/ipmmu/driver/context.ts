/** What the drivers of both systems do with a context's registers in the same way. */
import { hexText, high32, low32 } from '../../../formats/index.ts';
import { Imbuscr, Imctr, Imstr } from '../spec/index.ts';
import type { IpmmuUnit } from './unit.ts';

/** Faults that a driver looks at. */
const ERRORS = Imstr.MHIT | Imstr.ABORT | Imstr.PF | Imstr.TF;
/** Those of an access, which a fault handler may answer. */
const ACCESS_FAULTS = Imstr.PF | Imstr.TF;

/** No context translates: what a reset writes. */
export function resetContexts(unit: IpmmuUnit): void {
  for (let context = 0; context < unit.generation.contexts; context++) unit.writeContext(context, 'IMCTR', 0);
}

/** Table base of the lower half. */
export function writeTableBase0(unit: IpmmuUnit, context: number, pa: number): void {
  unit.writeContext(context, 'IMTTLBR0', low32(pa));
  unit.writeContext(context, 'IMTTUBR0', high32(pa));
}

/** Table base of the upper half. */
export function writeTableBase1(unit: IpmmuUnit, context: number, pa: number): void {
  unit.writeContext(context, 'IMTTLBR1', low32(pa));
  unit.writeContext(context, 'IMTTUBR1', high32(pa));
}

/** What comes between the tables' registers and IMCTR: no broadcast maintenance (Gen2), and no old fault. */
export function clearBusAndStatus(unit: IpmmuUnit, context: number): void {
  if (unit.generation.hasBusControl) {
    const bus = unit.readContext(context, 'IMBUSCR');
    unit.writeContext(context, 'IMBUSCR', bus & ~(Imbuscr.DVM | Imbuscr.BUSSEL));
  }
  unit.writeContext(context, 'IMSTR', unit.readContext(context, 'IMSTR'));
}

/** A fault of a context, as its registers tell it. */
export interface ContextFault {
  readonly context: number;
  /** IMSTR. */
  readonly status: number;
  readonly iova: number;
  /** False: no access faulted, but the walk or the TLB. */
  readonly ofAccess: boolean;
}

/** What a driver says of a fault that no handler answers. */
export function describeFault(fault: ContextFault, what: string): string {
  return `${what} in context ${fault.context} at iova ${hexText(fault.iova)}, status ${hexText(fault.status)}`;
}

/**
 * Reads what happened in a context and clears it; null when nothing did. IMSTR keeps what is written, so that 0 clears it.
 * @param log takes the messages of faults that concern no access
 */
export function takeFault(root: IpmmuUnit, context: number, log: (message: string) => void): ContextFault | null {
  const status = root.readContext(context, 'IMSTR');
  if ((status & ERRORS) === 0) return null;
  const low = root.readContext(context, 'IMELAR');
  const high = root.readContext(context, 'IMEUAR');
  root.writeContext(context, 'IMSTR', 0);
  const ofAccess = (status & ACCESS_FAULTS) !== 0;
  const fault = { context, status, iova: high * 2 ** 32 + low, ofAccess };
  if ((status & Imstr.MHIT) !== 0) log(describeFault(fault, 'several TLB entries matched'));
  if ((status & Imstr.ABORT) !== 0) log(describeFault(fault, 'a table walk was aborted'));
  return fault;
}

/** IMCTR with the flush asked for, from what it is now. */
export function withFlush(root: IpmmuUnit, context: number): number {
  return root.readContext(context, 'IMCTR') | Imctr.FLUSH;
}
