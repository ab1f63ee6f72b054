/** What our driver learned and made, in the words of Linux's structures. */
import { type DriverKernel, IDR0, IDR3, type Smmuv3Domain, type Smmuv3Driver } from '../../../../devices/index.ts';
import { getField, TWO_32 } from '../../../../formats/index.ts';

/** Linux's `ARM_SMMU_FEAT_*`, lowest bit first. */
function featureBits({ features, probed }: Smmuv3Driver, kernel: DriverKernel): number {
  const { idr } = probed;
  const newest = kernel === '7.3';
  const bits = [
    probed.twoLevelStreams,
    features.twoLevelContexts,
    true,
    getField(idr, 0, IDR0.TTENDIAN) === 0,
    features.pri,
    features.ats,
    probed.sev,
    features.msi,
    probed.coherent,
    features.stage1,
    features.stage2,
    features.stallModel !== 1,
    features.el2,
    features.stallModel === 2,
    features.inputBits52,
    features.rangeInvalidation,
    false,
    false,
    probed.e2h,
    probed.nesting,
    probed.attributeOverride,
    features.hardwareUpdate >= 1,
    features.hardwareUpdate >= 2,
    newest && probed.forceWriteBack,
    newest && getField(idr, 3, IDR3.BBML) === 2,
  ];
  return bits.reduce((sum, bit, i) => sum + Number(bit) * 2 ** i, 0);
}

export function describeProbe(driver: Smmuv3Driver, kernel: DriverKernel, polls: boolean): Record<string, unknown> {
  const { features, probed } = driver;
  return {
    features: featureBits(driver, kernel),
    options: (probed.polledByMessage && polls ? 4 : 0) + (probed.forcedSync ? 8 : 0),
    oas: features.outputBits,
    pgsize_bitmap: probed.pageSizes,
    asid_bits: features.asidBits,
    vmid_bits: features.vmidBits,
    sid_bits: features.streamBits,
    ssid_bits: features.substreamBits,
    cmdq_bits: probed.commandQueueBits,
    evtq_bits: probed.eventQueueBits,
  };
}

export function describeDomain(domain: Smmuv3Domain): Record<string, unknown> {
  const { stage, tag, table } = domain;
  const { config, registers } = table;
  const shared = {
    stage: stage === 'stage-1' ? 1 : 2,
    [stage === 'stage-1' ? 'asid' : 'vmid']: tag,
    ias: config.ias,
    oas: config.oas,
    pgsize_bitmap: config.pageSizes,
    quirks: config.quirks,
    coherent_walk: Number(config.coherentWalk),
    aperture_end: 2n ** BigInt(config.ias) - 1n,
  };
  if (registers.kind === 'stage-1') {
    const { ttbr, tcr, mairLow, mairHigh } = registers;
    return { ...shared, ttbr, mair: BigInt(mairHigh) * BigInt(TWO_32) + BigInt(mairLow), tcr };
  }
  return registers.kind === 'stage-2' ? { ...shared, vttbr: registers.vttbr, vtcr: registers.vtcr } : shared;
}
