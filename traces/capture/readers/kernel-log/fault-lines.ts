/**
 * Fault lines that drivers print to the kernel's log, only so far as a timeline needs them: that there was a fault, of which stream or device, at which
 * address, reading or writing. What the registers mean in detail is for the explainer of fault lines.
 *
 * Formats: the drivers arm-smmu-v3, arm-smmu, panfrost, panthor, lima, msm, ipmmu-vmsa, rockchip-iommu, exynos-iommu of Linux 5.x to 6.x, kbase of Arm,
 * smmu and smmu-v3 of Xen.
 */
import { ADDRESS_LIMIT } from '../../events/index.ts';

/** Linux `IOMMU_READ` and `IOMMU_WRITE`. */
const READ = 1;
const WRITE = 2;
const UNKNOWN = -1;

/** What a fault line tells; -1 or an empty string where it tells nothing. */
export interface FaultLine {
  readonly iova: number;
  readonly stream: number;
  readonly prot: number;
  /** Address space of a GPU's own MMU. */
  readonly asid: number;
  readonly device: string;
  /** Which of a driver's lines it is, where the next may tell of the same fault; else empty. */
  readonly form: Form;
  /** The line before that it tells again, if that was of this form and stream. */
  readonly repeats: Form;
}

type Form = '' | 'words' | 'blocked';

interface Pattern {
  readonly line: RegExp;
  read(match: Readonly<Record<string, string | undefined>>): FaultLine;
}

const NOTHING: FaultLine = {
  iova: UNKNOWN,
  stream: UNKNOWN,
  prot: UNKNOWN,
  asid: UNKNOWN,
  device: '',
  form: '',
  repeats: '',
};

const PATTERNS: readonly Pattern[] = [
  {
    // arm-smmu-v3 since Linux 6.15: "event: F_TRANSLATION client: 0000:01:00.0 sid: 0x11 ssid: 0x0 iova: 0x9b0cc000 ipa: 0x0"
    line: /event: \w+ client: (?<client>\S{1,64}|\(unassigned sid\)) sid: (?<sid>0x[\da-f]+)(?:.* iova: (?<iova>0x[\da-f]+))?/i,
    read: ({ client = '', sid, iova }) => ({
      ...NOTHING,
      iova: address(iova),
      stream: Number(sid),
      device: client.startsWith('(') ? '' : client,
      repeats: 'words',
    }),
  },
  {
    // arm-smmu and Xen's smmu: "Unhandled context fault: fsr=0x402, iova=0x9c4b9000, fsynr=0x7c0020, cbfrsynra=0x800, cb=7"
    line: /Unhandled context fault: fsr=0x[\da-f]+, iova=(?<iova>0x[\da-f]+), fsynr=(?<fsynr>0x[\da-f]+)(?:, cbfrsynra=(?<sid>0x[\da-f]+))?/i,
    read: ({ iova, fsynr, sid }) => ({
      ...NOTHING,
      iova: address(iova),
      stream: sid === undefined ? UNKNOWN : Number(sid) % 0x10000,
      // FSYNR0.WNR
      prot: (Number(fsynr) & 0x10) === 0 ? READ : WRITE,
    }),
  },
  {
    line: /Blocked unknown Stream ID (?<sid>0x[\da-f]+)/i,
    read: ({ sid }) => ({ ...NOTHING, stream: Number(sid), form: 'blocked' }),
  },
  {
    line: /GFSR (?<gfsr>0x[\da-f]+), GFSYNR0 (?<zero>0x[\da-f]+), GFSYNR1 (?<sid>0x[\da-f]+)/i,
    read: ({ sid, zero }) => ({
      ...NOTHING,
      stream: Number(sid) % 0x10000,
      // sGFSYNR0.WNR
      prot: (Number(zero) & 2) === 0 ? READ : WRITE,
      repeats: 'blocked',
    }),
  },
  {
    // panfrost, panthor, kbase: "panfrost 1800000.gpu: Unhandled Page fault in AS0 at VA 0x0000000002400400"
    line: /(?:(?<device>[\w.:-]{1,64}): )?(?:\[drm\] (?:\*ERROR\* )?)?Unhandled Page fault in AS(?<as>\d+) at VA (?<iova>0x[\da-f]+)/i,
    read: ({ device = '', as, iova }) => ({ ...NOTHING, iova: address(iova), asid: Number(as), device }),
  },
  {
    // lima: "lima 1c40000.gpu: mmu page fault at 0x121020 from bus id 0 of type read on ppmmu0"
    line: /(?:(?<device>[\w.:-]{1,64}): )?mmu page fault at (?<iova>0x[\da-f]+) from bus id \d+ of type (?<dir>read|write)/i,
    read: ({ device = '', iova, dir }) => ({ ...NOTHING, iova: address(iova), prot: way(dir), device }),
  },
  {
    // msm: "*** gpu fault: ttbr0=00000001042fc000 iova=0000000000000020 dir=READ type=TRANSLATION source=CP (0,0,0,0)"
    line: /\*\*\* gpu fault: ttbr0=[\da-f]+ iova=(?<iova>[\da-f]+) dir=(?<dir>READ|WRITE)/i,
    read: ({ iova, dir }) => ({ ...NOTHING, iova: address(`0x${iova}`), prot: way(dir) }),
  },
  {
    // msm until Linux 5.13: "*** gpu fault: iova=0000000000000020, flags=1", and msm_iommu's "*** fault: iova="
    line: /\*\*\* (?:gpu )?fault: iova= *(?<iova>[\da-f]+),? flags=/i,
    read: ({ iova }) => ({ ...NOTHING, iova: address(`0x${iova}`) }),
  },
  {
    // kbase: "mali 28000000.gpu: GPU bus fault in AS1 at PA 0x0000000000000000": a physical address, of the walk or of what it led to
    line: /(?:(?<device>[\w.:-]{1,64}): )?GPU bus fault in AS(?<as>\d+) at PA 0x/i,
    read: ({ device = '', as }) => ({ ...NOTHING, asid: Number(as), device }),
  },
  {
    // ipmmu-vmsa: "Unhandled fault: status 0x00001502 iova 0xfe000000"
    line: /Unhandled fault: status 0x[\da-f]+ iova (?<iova>0x[\da-f]+)/i,
    read: ({ iova }) => ({ ...NOTHING, iova: address(iova) }),
  },
  {
    // rockchip-iommu: "rk_iommu ff9a0800.iommu: Page fault at 0x00000ee0 of type read"
    line: /Page fault at (?<iova>0x[\da-f]+) of type (?<dir>read|write)/i,
    read: ({ iova, dir }) => ({ ...NOTHING, iova: address(iova), prot: way(dir) }),
  },
  {
    // exynos-iommu: "14400000.fimd: PAGE FAULT occurred at 0x20000000"
    line: /(?:(?<device>[\w.:-]{1,64}): )?(?:\[(?<dir>READ|WRITE)\] )?PAGE FAULT occurred at (?<iova>0x[\da-f]+)/,
    read: ({ device = '', iova, dir }) => ({ ...NOTHING, iova: address(iova), prot: way(dir), device }),
  },
];

/** What every fault line has a part of: few other lines are looked at closely. */
const HINT = /fault|event: |Stream ID|GFSR /i;

/** A fault in one line, or null. */
export function readFaultLine(line: string): FaultLine | null {
  if (!HINT.test(line)) return null;
  for (const pattern of PATTERNS) {
    const match = pattern.line.exec(line);
    if (match !== null) return pattern.read(match.groups ?? {});
  }
  return null;
}

/** Events of SMMUv3 with an input address; those below 0x10 are about the configuration, but for F_UUT and F_WALK_EABT. */
const WITHOUT_ADDRESS: readonly number[] = [0x02, 0x03, 0x04, 0x06, 0x08, 0x09, 0x0a];
const TWO_TO_32 = 2 ** 32;

/** An SMMUv3 event of the four words that the drivers print (IHI 0070, section 7.3); words are `0x` and sixteen digits. */
export function readEventWords(words: readonly string[]): FaultLine {
  const [first = '0x0', second = '0x0', third = '0x0'] = words;
  const event = low(first) & 0xff;
  return {
    ...NOTHING,
    stream: high(first),
    // RnW is bit 35.
    prot: (high(second) & 8) === 0 ? WRITE : READ,
    iova: WITHOUT_ADDRESS.includes(event) ? UNKNOWN : address(third),
    form: 'words',
  };
}

function low(word: string): number {
  return Number(`0x${word.slice(-8)}`);
}

function high(word: string): number {
  return Math.floor(Number(word) / TWO_TO_32);
}

/** An address, or unknown where a double would not hold it. */
function address(text: string | undefined): number {
  const value = Number(text ?? Number.NaN);
  return value >= 0 && value < ADDRESS_LIMIT ? value : UNKNOWN;
}

function way(text: string | undefined): number {
  if (text === undefined) return UNKNOWN;
  return text.toLowerCase() === 'write' ? WRITE : READ;
}
