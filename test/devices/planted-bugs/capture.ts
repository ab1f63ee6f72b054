const PAGE = 4096;
const MIB_2 = 512 * PAGE;
const RW = 3;
const CACHED = 4;

const hex = (value: number): string => `0x${value.toString(16)}`;

/**
 * A small capture in which each planted bug has a chance to show: two domains in turn, single pages, runs that cross a cache line and
 * end beside live neighbours, mappings to be read only, memory above 4 GiB, addresses that are used again, and a 2 MiB block that takes
 * the place of a table.
 */
export function capture(): string {
  const lines: string[] = [];
  let time = 1;
  const line = (domain: number, what: string, rest: string): void => {
    time += 0.0007;
    lines.push(
      `  a-1 [000] ..... ${time.toFixed(6)}: dom_${what}: (f+0x0/0x1) domain=0xffff00000000100${domain} ${rest}`,
    );
  };
  const map = (domain: number, iova: number, pages: number, pa: number, prot = RW | CACHED): void =>
    line(domain, 'map', `iova=${hex(iova)} paddr=${hex(pa)} size=${hex(pages * PAGE)} prot=${hex(prot)}`);
  const unmap = (domain: number, iova: number, pages: number): void =>
    line(domain, 'unmap', `iova=${hex(iova)} size=${hex(pages * PAGE)}`);
  for (let round = 0; round < 3; round++) {
    for (const domain of [0, 1]) {
      const iova = 0x1000_0000 + domain * 0x2000_0000 + round * 0x20_0000;
      const pa = 0x1_8000_0000 + domain * 0x1000_0000 + round * 0x100_0000;
      const block = 0x8000_0000 + domain * 0x2000_0000 + (round > 1 ? MIB_2 : 0);
      map(domain, iova, 1, pa);
      map(domain, iova + PAGE, 20, pa + 0x10_0000);
      map(domain, iova + 21 * PAGE, 1, pa + 0x20_0000, 1 | CACHED);
      map(domain, iova + 0x40_0000, 2, pa + 0x30_0000, RW);
      map(domain, block, 3, pa + 0x40_0000);
      unmap(domain, iova + PAGE, 20);
      map(domain, iova + PAGE, 1, pa + 0x50_0000);
      unmap(domain, block, 3);
      // The table under it is empty, and goes. The block stays, since each of its pages is read at every turn.
      if (round === 1 && domain === 0) map(domain, block, 512, 0x9000_0000);
      unmap(domain, iova + PAGE, 1);
      unmap(domain, iova, 1);
      unmap(domain, iova + 21 * PAGE, 1);
      unmap(domain, iova + 0x40_0000, 2);
    }
  }
  return `${lines.join('\n')}\n`;
}
