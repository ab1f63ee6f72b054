/** What a table's creation came to, in the words of a vector: registers and geometry by name, addresses as 64-bit numbers. */
import { type AdjustedConfig, type IoPgtable, Quirk, type Registers } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';

/** Turns an iova of a table into the 64-bit address of the vector: they differ in the upper half (TTBR1). */
export type WholeAddress = (iova: number) => bigint;

/** Whether a table of this configuration translates the upper half of the address space. */
export function isUpperHalf(format: string, quirks: number): boolean {
  return format !== 'ARM_V7S' && (quirks & Quirk.ARM_TTBR1) !== 0;
}

/** Puts the upper bits on an iova where the table's half has them set. */
export function wholeAddress(upperHalf: boolean, ias: number): WholeAddress {
  if (!upperHalf) return (iova) => BigInt(iova);
  return (iova) => BigInt.asUintN(64, BigInt(iova) - (1n << BigInt(ias)));
}

/** The narrowed configuration and, when there is a table, its registers and geometry. */
export function outcomeOf(config: AdjustedConfig, table: IoPgtable | null): Record<string, unknown> {
  return {
    pgsize_bitmap: hexText(config.pageSizes),
    ias: config.ias,
    oas: config.oas,
    quirks: hexText(config.quirks),
    ...(table === null ? {} : describeTable(table)),
  };
}

function describeTable(table: IoPgtable): Record<string, unknown> {
  const { geometry } = table;
  const geom = {
    start_level: geometry.startLevel,
    pgd_bits: geometry.pgdBits,
    bits_per_level: geometry.bitsPerLevel,
    pgd_size: hexText(geometry.pgdSize),
  };
  return { ...registerValues(table.registers), ...(table.config.format === 'ARM_V7S' ? {} : { geom }) };
}

function registerValues(registers: Registers): Record<string, unknown> {
  switch (registers.kind) {
    case 'stage-1': {
      const { ips, tg, sh, orgn, irgn, tsz } = registers.tcr;
      const mair = (BigInt(registers.mairHigh) << 32n) | BigInt(registers.mairLow);
      return { ttbr: hexText(registers.ttbr), mair: hexText(mair), tcr: { ips, tg, sh, orgn, irgn, tsz } };
    }
    case 'stage-2': {
      const { ps, tg, sh, orgn, irgn, sl, tsz } = registers.vtcr;
      return { vttbr: hexText(registers.vttbr), vtcr: { ps, tg, sh, orgn, irgn, sl, tsz } };
    }
    case 'mali':
      return { transtab: hexText(registers.transtab), memattr: hexText(registers.memattr) };
    case 'short': {
      const { ttbr, tcr, nmrr, prrr } = registers;
      return { ttbr: hexText(ttbr), tcr: hexText(tcr), nmrr: hexText(nmrr), prrr: hexText(prrr) };
    }
  }
}
