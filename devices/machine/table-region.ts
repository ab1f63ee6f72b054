import type { RamBank } from '../../emulator/index.ts';
import { ConfigError, type LayerSpec, parseStackSpec } from '../../formats/index.ts';

/** RAM is made in units of this (`PhysicalMemorySchema`). */
const RAM_UNIT = 65536;

/** Where tables are to come from on one machine. */
export interface TableRegion {
  /** Layers of the allocator, the region of a `carve-out` with its place. */
  readonly layers: readonly LayerSpec[];
  /** All RAM of the machine. */
  readonly ram: readonly RamBank[];
  /** The RAM that the system's page allocator may hand out: all but the carved-out region. */
  readonly system: readonly Pick<RamBank, 'base' | 'size' | 'node'>[];
}

/**
 * Gives the region of a `carve-out` a place: where its `base` says, in RAM or in a hole (it is RAM of its own then), or, without a
 * `base`, at the end of the first bank that is larger.
 * @throws ConfigError for a description of an allocator that does not work, or a region that half overlaps a bank.
 */
export function placeTables(allocator: string, banks: readonly RamBank[]): TableRegion {
  const layers = parseStackSpec(allocator);
  const bottom = layers[layers.length - 1];
  if (bottom?.kind !== 'carve-out') return { layers, ram: banks, system: banks };
  const { size } = bottom;
  const base = bottom.base ?? endOfBank(banks, size);
  const end = base + size;
  const placed = [...layers.slice(0, -1), { ...bottom, base }];
  const touched = banks.filter((bank) => base < bank.base + bank.size && bank.base < end);
  if (touched.length === 0) {
    if (base % RAM_UNIT !== 0 || size % RAM_UNIT !== 0) {
      throw new ConfigError('allocator.carve-out.base', base, 'base and size multiples of 64 KiB outside of RAM');
    }
    return { layers: placed, ram: [...banks, { base, size, node: 0 }], system: banks };
  }
  const [bank] = touched;
  if (bank === undefined || base < bank.base || end > bank.base + bank.size) {
    throw new ConfigError(
      'allocator.carve-out.base',
      base,
      'a region wholly inside a RAM bank, or wholly outside of RAM',
    );
  }
  const rest = [
    { ...bank, size: base - bank.base },
    { ...bank, base: end, size: bank.base + bank.size - end },
  ].filter((part) => part.size > 0);
  const system = banks.flatMap((other) => (other === bank ? rest : [other]));
  if (system.length === 0) throw new ConfigError('allocator.carve-out.size', size, 'less than all RAM');
  return { layers: placed, ram: banks, system };
}

function endOfBank(banks: readonly RamBank[], size: number): number {
  const bank = banks.find((one) => one.size > size);
  if (bank !== undefined) return bank.base + bank.size - size;
  const largest = Math.max(...banks.map((one) => one.size));
  throw new ConfigError('allocator.carve-out.size', size, `less than the largest RAM bank, ${largest} bytes`);
}
