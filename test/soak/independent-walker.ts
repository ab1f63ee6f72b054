/**
 * A second walker of LPAE tables, written from the manual alone (Arm ARM DDI 0487 D8.2 to D8.5) and in the plainest way: 64-bit integers, one
 * function, no caches, no permissions. It says where an address leads or at which level and why it leads nowhere.
 */
export interface IndependentRoot {
  readonly base: bigint;
  readonly granuleShift: number;
  readonly inputBits: number;
  readonly startLevel: number;
}

export type IndependentAnswer = bigint | `${'translation' | 'address size' | 'access flag' | 'abort'} ${number}`;

export function independentWalk(
  read: (pa: bigint) => bigint | null,
  root: IndependentRoot,
  outputBits: number,
  accessFlagFaults: boolean,
  iova: bigint,
): IndependentAnswer {
  const { granuleShift, inputBits, startLevel } = root;
  const stride = granuleShift - 3;
  if (iova >> BigInt(inputBits) !== 0n) return 'translation 0';
  let table = root.base;
  for (let level = startLevel; ; level++) {
    const shift = BigInt(granuleShift + (3 - level) * stride);
    const bits = level === startLevel ? BigInt(inputBits) - shift : BigInt(stride);
    const index = (iova >> shift) & ((1n << bits) - 1n);
    const descriptor = read(table + 8n * index);
    if (descriptor === null) return `abort ${level}`;
    const type = descriptor & 3n;
    if ((type & 1n) === 0n) return `translation ${level}`;
    const isTable = type === 3n && level < 3;
    const blocks = granuleShift === 12 ? level === 1 || level === 2 : level === 2;
    if (type === 1n && !blocks) return `translation ${level}`;
    const low = isTable ? BigInt(granuleShift) : shift;
    // With the 64 KiB granule bits 15:12 are bits 51:48 of the address (FEAT_LPA, D8.3.1).
    const top = granuleShift === 16 ? ((descriptor >> 12n) & 15n) << 48n : 0n;
    const address = top | (descriptor & ((1n << 48n) - 1n) & ~((1n << low) - 1n));
    if (address >> BigInt(granuleShift === 16 ? outputBits : Math.min(outputBits, 48)) !== 0n)
      return `address size ${level}`;
    if (isTable) {
      table = address;
      continue;
    }
    if (accessFlagFaults && (descriptor & (1n << 10n)) === 0n) return `access flag ${level}`;
    return address | (iova & ((1n << shift) - 1n));
  }
}
