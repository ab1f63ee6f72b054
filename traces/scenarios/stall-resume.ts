import * as v from 'valibot';
import { FaultAnswer } from '../../devices/index.ts';
import { AccessFlag, Outcome, TranslationRequest } from '../../emulator/index.ts';
import { Prot } from '../../formats/index.ts';
import { checkConfig } from '../config/index.ts';
import { hexText } from '../quantity.ts';
import { smmuv2World } from './smmuv2-world.ts';
import type { ScenarioEvent } from './vm-bind-deadlock.ts';

const STREAM = 1;
const IOVA = 0x1000_0000;
const PA = 0x2_0000_0000;
const PAGE = 4096;

const StallResumeSchema = v.strictObject({
  /** Kernel whose driver answers. Linux 6.12 clears the fault and never writes RESUME. */
  kernel: v.optional(v.picklist(['6.12', '7.3']), '7.3'),
  /** What the user of the domain does with a fault: map the page and ask for another try, or not want it. */
  answer: v.optional(v.picklist(['map', 'refuse']), 'map'),
  /** Accesses of mapped pages that come behind the one that faults. */
  behind: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1000)), 8),
  /** Cycles between accesses. */
  gapCycles: v.optional(v.pipe(v.number(), v.minValue(1)), 50),
  /** Cycles from the fault to the first instruction of the interrupt handler. Assumed. */
  interruptCycles: v.optional(v.pipe(v.number(), v.minValue(0)), 2000),
  /** Cycles to find and map a page. Assumed. */
  mapCycles: v.optional(v.pipe(v.number(), v.minValue(0)), 3000),
});

export type StallResumeConfig = v.InferOutput<typeof StallResumeSchema>;
export type StallResumeInput = v.InferInput<typeof StallResumeSchema>;

/** What the scenario came to. Plain JSON; times in cycles. */
export interface StallResumeReport {
  readonly scenario: 'stall-resume';
  readonly config: StallResumeConfig;
  readonly events: readonly ScenarioEvent[];
  /** Accesses that stalled: the one that faulted and those behind it. */
  readonly stalled: number;
  readonly wentOn: number;
  readonly ended: number;
  /** Accesses that still wait when everybody has done what they do. */
  readonly stuck: number;
  /** The longest time that one waited and then went on or ended. */
  readonly longestWait: number;
}

/**
 * A device reads a page that is not there, behind an SMMUv2 whose faults stall: the access waits, and with SCTLR.HUPCF clear all that
 * come behind it do. The driver answers through RESUME; or, before Linux 7.3, not at all.
 *
 * @throws ConfigError naming the first wrong field.
 */
export function runStallResume(input: StallResumeInput = {}): StallResumeReport {
  const config = checkConfig(StallResumeSchema, input);
  const { smmu, driver } = smmuv2World({ kernel: config.kernel, stalls: true });
  const events: ScenarioEvent[] = [];
  const tell = (what: string): void => {
    events.push({ cycles: smmu.now, what });
  };
  let wentOn = 0;
  let ended = 0;
  let longestWait = 0;
  const master = driver.probeDevice([{ id: STREAM, mask: 0 }]);
  const domain = driver.createDomain();
  if (typeof master === 'number' || driver.attach(master, domain) !== 0) throw new Error('the domain does not attach');
  driver.map(domain, IOVA + PAGE, PA + PAGE, PAGE, config.behind + 1, Prot.READ);
  let faultedAt = -1;
  smmu.onContextInterrupt = () => {
    if (faultedAt < 0) faultedAt = smmu.now;
  };
  smmu.onStallEnd = (parked, outcome) => {
    longestWait = Math.max(longestWait, smmu.now - parked.since);
    if (outcome === Outcome.OK) wentOn++;
    else ended++;
    const how = outcome === Outcome.OK ? 'goes on' : 'is ended';
    tell(`the access of ${hexText(parked.iova)} ${how}, ${Math.round(smmu.now - parked.since)} cycles late`);
  };

  const request = new TranslationRequest();
  tell(`the device reads ${hexText(IOVA)}, which is not mapped`);
  smmu.translate(request.ask(0, STREAM, -1, IOVA, AccessFlag.READ, smmu.now));
  for (let i = 1; i <= config.behind; i++) {
    smmu.now += config.gapCycles;
    smmu.translate(request.ask(0, STREAM, -1, IOVA + PAGE * i, AccessFlag.READ, smmu.now));
  }
  const stalled = smmu.stalled.live;
  tell(`${stalled} accesses wait: one faulted, ${stalled - 1} of mapped pages are behind it`);

  smmu.now = Math.max(smmu.now, faultedAt + config.interruptCycles);
  tell('the interrupt handler reads FAR, FSR, FSYNR0 and CBFRSYNRA');
  driver.contextFault(domain, ({ addressLow }) => {
    if (config.answer === 'refuse') {
      tell('nobody wants the fault');
      return FaultAnswer.NONE;
    }
    smmu.now += config.mapCycles;
    driver.map(domain, addressLow, PA, PAGE, 1, Prot.READ);
    tell(`the user of the domain maps ${hexText(addressLow)} and asks for another try`);
    return FaultAnswer.RETRY;
  });
  const stuck = smmu.stalled.live;
  if (stuck > 0) tell(`FSR is cleared, RESUME was never written: ${stuck} accesses wait for ever`);
  return { scenario: 'stall-resume', config, events, stalled, wentOn, ended, stuck, longestWait };
}
