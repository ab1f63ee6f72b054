import { hexText } from '../../quantity.ts';
import { type FaultDraft, type FaultSource, newFault } from './fault.ts';
import { hexOf, type LogLine, smallHex } from './log-lines.ts';

/** A fault that one line tells. */
interface OneLine {
  readonly source: FaultSource;
  readonly pattern: RegExp;
  readonly take: (fault: FaultDraft, match: RegExpExecArray) => void;
  /** Takes what one of the next lines, or the rest of this one, adds to it; false when it adds nothing. */
  readonly follow?: (fault: FaultDraft, text: string) => boolean;
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
    pattern:
      /gpu fault:\s*ttbr0=([0-9a-fOol]+)\s*[it]ova=([0-9a-fOol]+)\s*dir=(READ|WRITE)\s*type=(\w+)(?:\s*source=(.*?)\s*(?:\(|$))?/i,
    take: (fault, [, ttbr0 = '', iova, direction, type = '', source]) => {
      fault.name = type.toUpperCase();
      setAddress(fault, iova);
      setDirection(fault, direction);
      const from = source === undefined ? '' : `source ${source}, `;
      fault.details.push(`${from}TTBR0 0x${ttbr0.replace(/^0+(?=.)/, '')}`);
      if (/^0+$/.test(ttbr0)) fault.details.push('TTBR0 is 0: no process has its tables in use yet');
    },
  },
  {
    // Linux before 5.15, and the display's address space still.
    source: 'adreno',
    pattern: /\*\*\* (?:gpu )?fault: iova=\s*([0-9a-fOol]+), flags=(\d+)/i,
    take: (fault, [, iova, flags]) => {
      fault.name = 'fault';
      setAddress(fault, iova);
      // IOMMU_FAULT_READ 0, IOMMU_FAULT_WRITE 1.
      fault.write = (Number(flags) & 1) === 1;
    },
  },
  {
    // The vendor's kgsl; direction and kind stand on the next line.
    source: 'adreno',
    pattern: /GPU PAGE FAULT: addr = ([0-9a-f]+)/i,
    take: (fault, [, iova]) => {
      fault.name = 'page fault';
      setAddress(fault, iova);
    },
    follow: (fault, text) => {
      const kind = /context=(\S+).*\((read|write) (.+?) fault\)/i.exec(text);
      const block = /FAULTING BLOCK:\s*(.+)/i.exec(text);
      if (kind !== null) {
        setDirection(fault, kind[2]);
        fault.name = (kind[3] ?? '').toUpperCase();
        fault.details.push(`context ${kind[1]}`);
      }
      if (block !== null) fault.details.push(`by ${block[1]}`);
      return kind !== null || block !== null;
    },
  },
  {
    source: 'ipmmu-vmsa',
    pattern: /(TLB multi hits|Page table walk abort) @(0x[0-9a-f]+)/i,
    take: (fault, [, name = '', iova]) => {
      fault.name = /^tlb/i.test(name) ? 'MHIT' : 'ABORT';
      setAddress(fault, iova);
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
    pattern: /Page fault at ((?:0x)?[0-9a-f]+) of type (read|write)/i,
    take: (fault, [, iova, direction]) => {
      fault.name = 'Page fault';
      setAddress(fault, iova);
      setDirection(fault, direction);
    },
    follow: takeRockchipWalk,
  },
  {
    source: 'rk_iommu',
    pattern: /BUS_ERROR occurred at (0x[0-9a-f]+)/i,
    take: (fault, [, iova]) => {
      fault.name = 'BUS_ERROR';
      setAddress(fault, iova);
    },
  },
  {
    source: 'lima',
    pattern: /mmu page fault at ((?:0x)?[0-9a-f]+) from bus id (\d+) of type (read|write)(?: on (\S+))?/i,
    take: (fault, [, iova, bus = '', direction, mmu]) => {
      fault.name = 'page fault';
      setAddress(fault, iova);
      setDirection(fault, direction);
      fault.details.push(`bus id ${bus}${mmu === undefined ? '' : ` on ${mmu}`}`);
    },
  },
  {
    source: 'mtk-iommu',
    pattern: /fault type=((?:0x)?[0-9a-f]+)\s+iova=((?:0x)?[0-9a-f]+)(?:\s+pa=((?:0x)?[0-9a-f]+))?(.*)/i,
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
      // Before the direction was printed, the channel told it: AR is the read address channel of the bus, AW that of writes.
      setDirection(fault, direction ?? /^A([RW]) /.exec(name)?.[1]);
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

/** Lines after the first that may add to it. */
const REACH = 4;
const MOST_WRAPPED = 2;
/** Words that every form has: only lines with one of them are looked at. */
const MENTIONS = /fault|occurred at|@|multi hits/i;

/** Faults of other drivers, each told by one line, which mail and terminals may have wrapped. */
export function otherFaults(lines: readonly LogLine[]): FaultDraft[] {
  const faults: FaultDraft[] = [];
  for (let at = 0; at < lines.length; at++) {
    const { text, number } = lines[at] as LogLine;
    if (!MENTIONS.test(text)) continue;
    const found = formOf(text) ?? wrappedFormOf(lines, at);
    if (found === null) continue;
    const { form, match, wrapped = 0 } = found;
    const fault = newFault(form.source, 'fault', number);
    for (let more = 1; more <= wrapped; more++) fault.lines.push((lines[at + more] as LogLine).number);
    form.take(fault, match);
    if (form.follow !== undefined) takeFollowing(lines, at, fault, form.follow);
    faults.push(fault);
  }
  return faults;
}

interface Found {
  readonly form: OneLine;
  readonly match: RegExpExecArray;
  /** Lines after the first that it is wrapped over. */
  readonly wrapped?: number;
}

function formOf(text: string): Found | null {
  for (const form of FORMS) {
    const match = form.pattern.exec(text);
    if (match !== null) return { form, match };
  }
  return null;
}

/** What up to three lines say together and none alone: wrapped between words, or in the middle of one. */
function wrappedFormOf(lines: readonly LogLine[], first: number): Found | null {
  const { text } = lines[first] as LogLine;
  let joined = [text];
  for (let wrapped = 1; wrapped <= MOST_WRAPPED; wrapped++) {
    const next = lines[first + wrapped];
    if (next === undefined || formOf(next.text) !== null) return null;
    joined = joined.flatMap((before) => [`${before} ${next.text}`, `${before}${next.text}`]);
    for (const one of joined) {
      const found = formOf(one);
      if (found !== null && found.match.index < text.length) return { ...found, wrapped };
    }
  }
  return null;
}

function takeFollowing(
  lines: readonly LogLine[],
  first: number,
  fault: FaultDraft,
  follow: NonNullable<OneLine['follow']>,
): void {
  for (let at = first; at < lines.length && at <= first + REACH; at++) {
    const { text, number } = lines[at] as LogLine;
    if (at > first && formOf(text) !== null) return;
    if (follow(fault, text) && !fault.lines.includes(number)) fault.lines.push(number);
  }
}

/** Rockchip's driver prints the walk that software makes: where it is valid, hardware looked elsewhere. */
function takeRockchipWalk(fault: FaultDraft, text: string): boolean {
  const walk = /dte@\S+\s+\S+ valid: (\d) pte@\S+\s+\S+ valid: (\d)/i.exec(text);
  if (walk === null) return false;
  if (walk[1] === '1' && walk[2] === '1') {
    fault.suspicions.push({
      name: 'hardware and software walk differ',
      evidence: 'the walk in software finds a valid page: the hardware has another root, or an older entry',
    });
  } else fault.level = walk[1] === '1' ? 2 : 1;
  return true;
}
