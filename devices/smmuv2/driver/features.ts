import { decodeField, leafSizes } from '../../../formats/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import { ADDRESS_SIZES, GR0, ID0, ID1, ID2, RegisterPages } from '../spec/index.ts';
import type { SmmuModel } from './models.ts';

/** Page sizes of the short-descriptor format. No domain uses it, but the SMMU's own bitmap tells of it. */
const SHORT_SIZES = 2 ** 12 + 2 ** 16 + 2 ** 20 + 2 ** 24;

/** Formats that the SMMU's tables may have. */
export interface TableFormats {
  readonly short: boolean;
  /** AArch32 long descriptors. */
  readonly long32: boolean;
  readonly granule4k: boolean;
  readonly granule16k: boolean;
  readonly granule64k: boolean;
}

/** What the driver has learned of its SMMU (Linux `arm_smmu_device_cfg_probe`). */
export interface Smmuv2Features {
  readonly stage1: boolean;
  readonly stage2: boolean;
  readonly nested: boolean;
  /** Address translation operations of stage 1. */
  readonly translationOps: boolean;
  /** Streams are matched; else a stream id is the index of its group. */
  readonly streamMatch: boolean;
  readonly extendedIds: boolean;
  readonly vmid16: boolean;
  /** Whether the firmware calls table walks coherent; what ID0.CTTW says otherwise is overruled. */
  readonly coherentWalk: boolean;
  readonly formats: TableFormats;
  readonly pages: RegisterPages;
  readonly contextBanks: number;
  /** Of these the first ones do stage 2 only. */
  readonly stage2Banks: number;
  readonly groups: number;
  /** Bits of a stream id that count. */
  readonly streamMask: number;
  /** Input address bits of stage 1, output bits of stage 1 and input bits of stage 2, output bits of stage 2. */
  readonly vaBits: number;
  readonly ipaBits: number;
  readonly paBits: number;
  /** Sum of the page sizes of all formats. */
  readonly pageSizes: number;
}

/** The probe ends: there is no SMMU to drive. `-ENODEV` in Linux. */
export class NoSmmuError extends Error {
  override readonly name = 'NoSmmuError';
}

export interface FeatureOptions {
  readonly model: SmmuModel;
  readonly coherentWalk: boolean;
  /** Module parameter: 1 or 2 lets only that stage be used. */
  readonly forceStage: 0 | 1 | 2;
  /** Is told how large the region is, once that is known. */
  readonly checkRegion: (pages: RegisterPages) => void;
}

/**
 * Reads the identification registers.
 * @throws NoSmmuError for an SMMU that cannot be driven
 */
export function readFeatures(port: RegisterPort, options: FeatureOptions): Smmuv2Features {
  const { model, forceStage } = options;
  const v2 = model.version === 2;
  const id0 = port.read32(GR0.ID0.offset);
  const has = (field: keyof typeof ID0): boolean => decodeField(ID0[field], id0, 0) !== 0;
  const stage1 = has('S1TS') && forceStage !== 2;
  const stage2 = has('S2TS') && forceStage !== 1;
  if (!stage1 && !stage2) throw new NoSmmuError('no translation stage');
  const extendedIds = v2 && has('EXIDS');
  const streamBits = extendedIds ? 16 : decodeField(ID0.NUMSIDB, id0, 0);
  const streamMatch = has('SMS');
  const groups = streamMatch ? decodeField(ID0.NUMSMRG, id0, 0) : 2 ** streamBits;
  if (groups === 0) throw new NoSmmuError('stream matching without groups');
  const long32 = !v2 || !has('PTFS_NO_AARCH32');

  const id1 = port.read32(GR0.ID1.offset);
  const pages = new RegisterPages(id1);
  options.checkRegion(pages);
  const contextBanks = decodeField(ID1.NUMCB, id1, 0);
  const stage2Banks = decodeField(ID1.NUMS2CB, id1, 0);
  if (stage2Banks > contextBanks) throw new NoSmmuError('more stage 2 banks than banks');

  const id2 = port.read32(GR0.ID2.offset);
  const bitsOf = (code: number): number => ADDRESS_SIZES[code] ?? 48;
  const ipaBits = bitsOf(decodeField(ID2.IAS, id2, 0));
  const formats: TableFormats = {
    short: long32 && !has('PTFS_NO_AARCH32S'),
    long32,
    granule4k: v2 && !model.splits64 && decodeField(ID2.PTFS_4K, id2, 0) !== 0,
    granule16k: v2 && !model.splits64 && decodeField(ID2.PTFS_16K, id2, 0) !== 0,
    granule64k: v2 ? !model.splits64 && decodeField(ID2.PTFS_64K, id2, 0) !== 0 : model.granule64k,
  };
  return {
    stage1,
    stage2,
    nested: has('NTS') && forceStage === 0,
    translationOps: stage1 && (!v2 || !has('ATOSNS')),
    streamMatch,
    extendedIds,
    vmid16: decodeField(ID2.VMID16, id2, 0) !== 0,
    coherentWalk: options.coherentWalk,
    formats,
    pages,
    contextBanks,
    stage2Banks,
    groups,
    streamMask: 2 ** streamBits - 1,
    vaBits: v2 ? bitsOf(decodeField(ID2.UBS, id2, 0)) : ipaBits,
    ipaBits,
    paBits: bitsOf(decodeField(ID2.OAS, id2, 0)),
    pageSizes: sizesOf(formats),
  };
}

function sizesOf({ short, long32, granule4k, granule16k, granule64k }: TableFormats): number {
  let sizes = 0;
  if (short) sizes |= SHORT_SIZES;
  if (long32 || granule4k) sizes |= leafSizes(12, 48);
  if (granule16k) sizes |= leafSizes(14, 48);
  if (granule64k) sizes |= leafSizes(16, 48);
  return sizes >>> 0;
}
