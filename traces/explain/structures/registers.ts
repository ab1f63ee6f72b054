/** Registers by name: whatever the devices declare, with the short names that people use for them. */
import { ipmmuSpec, maliSpec, REGISTERS, type RegisterMap, smmuv2Spec } from '../../../devices/index.ts';
import { addressField, bitField, decodeField, type Layout } from '../../../formats/index.ts';
import { hexText, sizeText } from '../../quantity.ts';
import { bitsOf, type ExplainedStructure, strayBits, structureFields } from './structure.ts';

interface Block {
  readonly device: string;
  readonly source: string;
  readonly map: RegisterMap;
}

const BLOCKS: readonly Block[] = [
  { device: 'SMMUv3', source: 'IHI 0070 section 6.3', map: REGISTERS },
  { device: 'SMMUv2 global', source: 'IHI 0062 section 9.6', map: smmuv2Spec.GR0 },
  { device: 'SMMUv2 stream mapping', source: 'IHI 0062 section 9.6', map: smmuv2Spec.STREAM_GROUP },
  { device: 'SMMUv2 context bank attributes', source: 'IHI 0062 section 9.7', map: smmuv2Spec.GR1 },
  { device: 'SMMUv2 context bank', source: 'IHI 0062 chapter 16', map: smmuv2Spec.BANK },
  { device: 'Mali GPU control', source: 'Linux panthor_regs.h', map: maliSpec.GPU_CONTROL },
  { device: 'Mali MMU', source: 'Linux panfrost_regs.h', map: maliSpec.MMU_CONTROL },
  { device: 'Mali address space', source: 'Linux panfrost_regs.h', map: maliSpec.ADDRESS_SPACE },
  { device: 'IPMMU context', source: 'Linux ipmmu-vmsa.c', map: ipmmuSpec.CONTEXT },
  { device: 'IPMMU micro-TLB', source: 'Linux ipmmu-vmsa.c', map: ipmmuSpec.MICRO_TLB },
  { device: 'IPMMU', source: 'Linux ipmmu-vmsa.c', map: ipmmuSpec.SYSTEM },
];

/** A register that no block declares with fields, or that a translation regime has under another name. */
interface Special {
  readonly title: string;
  readonly source: string;
  readonly bits: 32 | 64;
  readonly fields: Layout;
}

const ARM_ARM = 'DDI 0487 D24';

const TCR_EL1: Special = {
  title: 'translation control of stage 1',
  source: `${ARM_ARM}, TCR_EL1`,
  bits: 64,
  fields: {
    ...smmuv2Spec.TCR,
    IPS: bitField(32, 3, 'Output address size: 0 to 6 for 32, 36, 40, 42, 44, 48, 52 bits'),
    AS: bitField(36, 1, 'ASIDs of 16 bits'),
    TBI0: bitField(37, 1, 'The top byte of the lower half is ignored'),
    TBI1: bitField(38, 1, 'The top byte of the upper half is ignored'),
    HA: bitField(39, 1, 'Hardware updates the access flag'),
    HD: bitField(40, 1, 'Hardware updates the dirty state'),
    HPD0: bitField(41, 1, 'Hierarchical permissions of the lower half are ignored'),
    HPD1: bitField(42, 1, 'Hierarchical permissions of the upper half are ignored'),
  },
};

const VTTBR: Special = {
  title: 'table of stage 2',
  source: `${ARM_ARM}, VTTBR_EL2`,
  bits: 64,
  fields: { BADDR: addressField(1, 47, 'Address of the table'), VMID: bitField(48, 16, 'VMID') },
};

const SPECIALS: Readonly<Record<string, Special>> = {
  TCR: TCR_EL1,
  VTCR: { title: 'translation control of stage 2', source: `${ARM_ARM}, VTCR_EL2`, bits: 32, fields: smmuv2Spec.VTCR },
  TTBR: { title: 'translation table base', source: `${ARM_ARM}, TTBR0_EL1`, bits: 64, fields: smmuv2Spec.TTBR },
  VTTBR,
  MAIR: {
    title: 'memory attributes, one byte for each AttrIndx',
    source: `${ARM_ARM}, MAIR_EL1`,
    bits: 64,
    fields: bytes('AttrIndx'),
  },
  AS_MEMATTR: {
    title: 'Mali AS_MEMATTR, one byte for each AttrIndx; read as in the AArch64 modes',
    source: 'Linux panthor_regs.h',
    bits: 64,
    fields: bytes('AttrIndx'),
  },
  AS_LOCKADDR: {
    title: 'Mali AS_LOCKADDR',
    source: 'Linux panfrost_regs.h',
    bits: 64,
    fields: maliSpec.AS_LOCKADDR.fields,
  },
  AS_TRANSTAB: {
    title: 'Mali AS_TRANSTAB, read as in the legacy mode',
    source: 'Linux panfrost_regs.h',
    bits: 64,
    fields: maliSpec.AS_TRANSTAB_LPAE.fields,
  },
};

function bytes(what: string): Layout {
  return Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7].map((at) => [`ATTR${at}`, bitField(8 * at, 8, `Memory type of ${what} ${at}`)]),
  );
}

/**
 * What a register of this name says. A name that several devices have is explained once for each.
 * @param name any case, with or without `SMMU_`, `CB3_`, `AS_` in front and `_EL1` behind; empty for an unknown name
 */
export function explainRegister(name: string, value: bigint): ExplainedStructure[] {
  const plain = name
    .toUpperCase()
    .replace(/^(ARM_)?SMMU_/, '')
    .replace(/^CB\d*_/, '')
    .replace(/_EL\d+$/, '');
  const special = plain.replace(/\d$/, '');
  for (const key of [plain, `AS_${plain}`, special]) {
    const found = Object.hasOwn(SPECIALS, key) ? SPECIALS[key] : undefined;
    if (found !== undefined) return [specialOf(name, key, found, value)];
  }
  for (const candidate of [plain, `AS_${plain}`, `GPU_${plain}`, plain.replace(/_?\d+$/, '')]) {
    const found = BLOCKS.flatMap(({ device, source, map }) =>
      Object.values(map)
        .filter((register) => register.name.toUpperCase() === candidate)
        .map((register): ExplainedStructure => {
          const { width, meaning, fields = {} } = register;
          return build(name, `${device} ${register.name}: ${meaning}`, width, fields, source, value, []);
        }),
    );
    if (found.length > 0) return found;
  }
  return [];
}

/** Names that {@link explainRegister} knows. */
export function registerNames(): string[] {
  return [...new Set([...Object.keys(SPECIALS), ...BLOCKS.flatMap(({ map }) => Object.keys(map))])];
}

function specialOf(
  name: string,
  key: string,
  { title, source, bits, fields }: Special,
  value: bigint,
): ExplainedStructure {
  const built = build(name, title, bits, fields, source, value, specialRemarks(key, value));
  if (key === 'MAIR') return withByteTexts(built, memoryTypeText);
  return key === 'AS_MEMATTR' ? withByteTexts(built, maliTypeText) : built;
}

function build(
  name: string,
  title: string,
  bits: number,
  layout: Layout,
  source: string,
  value: bigint,
  more: readonly string[],
): ExplainedStructure {
  const remarks = [...more];
  const fields = structureFields(layout, value, source);
  const stray = fields.length === 0 ? null : strayBits(fields, value);
  if (value >> BigInt(bits) !== 0n) remarks.push(`Too large: the register has ${bits} bits.`);
  else if (stray !== null) remarks.push(`${stray}: reserved, or not told by the table of this tool.`);
  if (fields.length === 0) remarks.push('It has no fields: the number is all it says.');
  return {
    kind: 'register',
    name,
    title,
    bits: Math.max(bits, value >> 32n === 0n ? 32 : 64),
    value: hexText(value),
    fields,
    remarks,
  };
}

function withByteTexts(of: ExplainedStructure, text: (byte: number) => string): ExplainedStructure {
  return { ...of, fields: of.fields.map((field) => ({ ...field, text: text(Number(field.value)) })) };
}

const GRANULES = ['4 KiB', '64 KiB', '16 KiB', 'reserved'];
const UPPER_GRANULES = ['reserved', '16 KiB', '4 KiB', '64 KiB'];

function specialRemarks(key: string, value: bigint): string[] {
  const field = (lsb: number, width: number): number => Number(bitsOf(value, lsb, width));
  switch (key) {
    case 'TCR': {
      const off = field(7, 1) === 1;
      const upperOff = field(23, 1) === 1;
      return [
        off ? 'Lower half: no walks.' : `Lower half: ${64 - field(0, 6)} bits, granule ${GRANULES[field(14, 2)]}.`,
        upperOff
          ? 'Upper half: no walks.'
          : `Upper half: ${64 - field(16, 6)} bits, granule ${UPPER_GRANULES[field(30, 2)]}.`,
      ];
    }
    case 'VTCR':
      return [`Input of ${64 - field(0, 6)} bits, granule ${GRANULES[field(14, 2)]}.`];
    case 'AS_LOCKADDR': {
      const low = Number(value & 0xffff_ffffn);
      const shift = maliSpec.lockShift(low);
      const start = maliSpec.lockStart(low, Number(value >> 32n));
      return [`Locks ${shift >= 64 ? 'everything' : `${sizeText(2 ** shift)} from ${hexText(start)} on`}.`];
    }
    default:
      return [];
  }
}

const DEVICE_TYPES: Readonly<Record<number, string>> = {
  0: 'device nGnRnE',
  4: 'device nGnRE',
  8: 'device nGRE',
  12: 'device GRE',
};

/** A byte of MAIR (DDI 0487, MAIR_EL1): outer half above, inner half below. */
function memoryTypeText(byte: number): string {
  const outer = byte >> 4;
  const inner = byte & 15;
  if (outer === 0) return DEVICE_TYPES[byte] ?? 'reserved, or a device type with FEAT_XS';
  if (byte === 0xf0) return 'tagged write-back (FEAT_MTE2), else reserved';
  if (inner === 0) return byte === 0x40 || byte === 0xa0 ? 'a type of FEAT_XS, else reserved' : 'reserved';
  if (outer === inner) return `normal ${halfText(outer)}`;
  return `normal, outer ${halfText(outer)}, inner ${halfText(inner)}`;
}

function halfText(half: number): string {
  if (half === 4) return 'non-cacheable';
  const kind = `${(half & 4) === 0 ? 'write-through' : 'write-back'}${(half & 8) === 0 ? ' transient' : ''}`;
  const hints = [(half & 2) === 0 ? '' : 'read', (half & 1) === 0 ? '' : 'write'].filter((hint) => hint !== '');
  return `${kind}, ${hints.length === 0 ? 'no allocation' : `${hints.join('- and ')}-allocate`}`;
}

function maliTypeText(byte: number): string {
  const { CACHE, SH, ALLOC_SEL } = maliSpec.MEMATTR_AARCH64.fields;
  const parts = [CACHE, SH, ALLOC_SEL].map((field) => {
    const value = decodeField(field, byte, 0);
    return field.values?.[value] ?? `a reserved code (${value})`;
  });
  return `${parts[0]}, shareability ${parts[1]}, allocation by ${parts[2]}`;
}
