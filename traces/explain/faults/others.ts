import { type FaultDraft, type FaultSource, newFault } from './fault.ts';
import { hexOf, hexText, type LogLine, smallHex } from './log-lines.ts';

/** A fault that one line tells. */
interface OneLine {
  readonly source: FaultSource;
  readonly pattern: RegExp;
  readonly take: (fault: FaultDraft, match: RegExpExecArray) => void;
}

const setAddress = (fault: FaultDraft, text: string | undefined): void => {
  const address = text === undefined ? null : hexOf(text);
  if (address !== null) fault.iova = hexText(address);
};
const setDirection = (fault: FaultDraft, text: string | undefined): void => {
  if (text !== undefined) fault.write = /^w/i.test(text);
};

/** Bits of the IPMMU's IMSTR. */
const IMSTR_FLAGS = ['TF', 'PF', 'ABORT', '', 'MHIT'] as const;

const FORMS: readonly OneLine[] = [
  {
    source: 'adreno',
    pattern: /gpu fault: ttbr0=([0-9a-f]+) iova=([0-9a-f]+) dir=(READ|WRITE) type=(\w+) source=(\S+)/i,
    take: (fault, [, ttbr0 = '', iova, direction, type = '', source = '']) => {
      fault.name = type;
      setAddress(fault, iova);
      setDirection(fault, direction);
      fault.details.push(`source ${source}, TTBR0 0x${ttbr0.replace(/^0+(?=.)/, '')}`);
      if (/^0+$/.test(ttbr0)) fault.details.push('TTBR0 is 0: no process has its tables in use yet');
    },
  },
  {
    source: 'ipmmu-vmsa',
    pattern: /Unhandled fault:? status (0x[0-9a-f]+) iova (0x[0-9a-f]+)/i,
    take: (fault, [, status, iova]) => {
      const value = smallHex(status);
      fault.name = IMSTR_FLAGS.filter((name, bit) => name !== '' && ((value >>> bit) & 1) === 1).join('|') || 'fault';
      setAddress(fault, iova);
    },
  },
  {
    source: 'rk_iommu',
    pattern: /rk_iommu\b.*Page fault at (0x[0-9a-f]+) of type (read|write)/i,
    take: (fault, [, iova, direction]) => {
      fault.name = 'Page fault';
      setAddress(fault, iova);
      setDirection(fault, direction);
    },
  },
  {
    source: 'lima',
    pattern: /mmu page fault at (0x[0-9a-f]+) from bus id (\d+) of type (read|write)(?: on (\S+))?/i,
    take: (fault, [, iova, bus = '', direction, mmu]) => {
      fault.name = 'page fault';
      setAddress(fault, iova);
      setDirection(fault, direction);
      fault.details.push(`bus id ${bus}${mmu === undefined ? '' : ` on ${mmu}`}`);
    },
  },
  {
    source: 'mtk-iommu',
    pattern: /fault type=(0x[0-9a-f]+) iova=(0x[0-9a-f]+)(?: pa=(0x[0-9a-f]+))?(.*)/i,
    take: (fault, [, type = '', iova, , rest = '']) => {
      fault.name = `fault type ${type}`;
      setAddress(fault, iova);
      const direction = /\b(read|write)\b/i.exec(rest)?.[1];
      setDirection(fault, direction);
      const port = /larb[=\s]*(\d+)\D+port[=\s]*(\d+)/i.exec(rest);
      if (port !== null) fault.details.push(`larb ${port[1]}, port ${port[2]}`);
    },
  },
  {
    source: 'exynos-sysmmu',
    pattern:
      /(?:\[(READ|WRITE)\]\s*)?([A-Z0-9][A-Z0-9 -]*?(?:PAGE FAULT|FAULT|ERROR|HIT|PROTECTION|VIOLATION)) occurred at (0x[0-9a-f]+)/,
    take: (fault, [, direction, name = '', iova]) => {
      fault.name = name;
      setAddress(fault, iova);
      setDirection(fault, direction);
    },
  },
  {
    source: 'tegra',
    pattern: /\b(\w+): (?:(?:non-)?secure )?(read|write) ?@\s?(0x[0-9a-f]+): (.*)/i,
    take: (fault, [, client = '', direction, iova, name = '']) => {
      fault.name = name.replace(/\s*\(.*$/, '');
      setAddress(fault, iova);
      setDirection(fault, direction);
      fault.details.push(`client ${client}`);
      const flags = /\[([R-])([W-])([S-])\]/.exec(name);
      if (flags !== null) {
        const allowed = [flags[1] === 'R' ? 'readable' : '', flags[2] === 'W' ? 'writable' : ''].filter(
          (one) => one !== '',
        );
        fault.details.push(
          `the entry is ${allowed.length === 0 ? 'neither readable nor writable' : allowed.join(' and ')}`,
        );
      }
    },
  },
  {
    source: 'trace',
    pattern: /\bio_page_fault: (?:IOMMU:)?\s*(?:\[[^\]]*\]|\S+)?\s*(\S*)\s*iova=(0x[0-9a-f]+) flags=(0x[0-9a-f]+)/i,
    take: (fault, [, device = '', iova, flags]) => {
      fault.name = 'io_page_fault';
      setAddress(fault, iova);
      // IOMMU_FAULT_READ 0, IOMMU_FAULT_WRITE 1.
      fault.write = (smallHex(flags) & 1) === 1;
      if (device !== '') fault.details.push(`device ${device}`);
    },
  },
];

/** Faults of other drivers, each told by one line. */
export function otherFaults(lines: readonly LogLine[]): FaultDraft[] {
  const faults: FaultDraft[] = [];
  for (let at = 0; at < lines.length; at++) {
    const { text, number } = lines[at] as LogLine;
    for (const { source, pattern, take } of FORMS) {
      const match = pattern.exec(text);
      if (match === null) continue;
      const fault = newFault(source, 'fault', number);
      take(fault, match);
      if (source === 'rk_iommu') takeRockchipWalk(lines, at, fault);
      faults.push(fault);
      break;
    }
  }
  return faults;
}

/** Rockchip's driver prints the walk that software makes: where it is valid, hardware looked elsewhere. */
function takeRockchipWalk(lines: readonly LogLine[], first: number, fault: FaultDraft): void {
  for (let at = first; at < lines.length && at <= first + 4; at++) {
    const { text, number } = lines[at] as LogLine;
    const walk = /dte@\S+\s+\S+ valid: (\d) pte@\S+\s+\S+ valid: (\d)/i.exec(text);
    if (walk === null) continue;
    if (at !== first) fault.lines.push(number);
    if (walk[1] === '1' && walk[2] === '1') {
      fault.suspicions.push({
        name: 'hardware and software walk differ',
        evidence: 'the walk in software finds a valid page: the hardware has another root, or an older entry',
      });
    } else fault.level = walk[1] === '1' ? 2 : 1;
    return;
  }
}
