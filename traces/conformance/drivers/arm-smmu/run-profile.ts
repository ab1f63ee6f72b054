import * as v from 'valibot';
import { SMMU_HARDWARE, type SmmuHardwareName } from '../../../../devices/index.ts';
import { hexNumber, integer } from '../fields.ts';
import { defineRunner } from '../runner.ts';

const ProfileSchema = v.object({
  profile: v.picklist(Object.keys(SMMU_HARDWARE) as SmmuHardwareName[]),
  compatible: v.string(),
  ID0: hexNumber,
  ID1: hexNumber,
  ID2: hexNumber,
  ID7: hexNumber,
  sCR0: hexNumber,
  sACR: hexNumber,
  ACTLR: hexNumber,
  smr_bits: hexNumber,
  /** Context fault interrupts and the global one. */
  irqs: integer,
  actlr_stuck: v.boolean(),
});

/** The SMMUs on which Linux's arm-smmu was recorded, against ours of the same names. */
export const ARM_SMMU_PROFILES = defineRunner({
  name: 'arm-smmu/profiles',
  recognises: (line) => 'actlr_stuck' in line && !('kernel' in line),
  schema: ProfileSchema,
  perform: ({ profile, smr_bits, irqs, actlr_stuck, ...registers }, check) => {
    const recorded = { ...registers, matchBits: smr_bits, contextInterrupts: irqs - 1, actlrLocked: actlr_stuck };
    check.operation(profile, [], () => check.equal('hardware', recorded, SMMU_HARDWARE[profile]));
  },
});
