import {
  type ContextFault,
  FaultAnswer,
  NoSmmuError,
  SMMU_HARDWARE,
  Smmuv2Driver,
  type Smmuv2Features,
} from '../../../../devices/index.ts';
import { TWO_32 } from '../../../../formats/index.ts';
import type { CaseCheck } from '../case-check.ts';
import type { DriverEvent } from '../event.ts';
import { defineRunner } from '../runner.ts';
import { TableMachine } from '../table-machine.ts';
import { RecordedPort } from './recorded-port.ts';
import { type ArmSmmuOperation, type ArmSmmuScenario, ArmSmmuScenarioSchema } from './scenario.ts';
import { MAPPED_PA, ScenarioRun, type ScenarioStage, tableOf } from './scenario-run.ts';

const ENODEV = 19;

/** Scenarios of Linux's arm-smmu. */
export const ARM_SMMU = defineRunner({
  name: 'arm-smmu/scenarios',
  recognises: (line) => 'id_regs' in line && 'smr_bits' in line,
  schema: ArmSmmuScenarioSchema,
  perform: (scenario, check) => performScenario(scenario, check),
});

function performScenario(scenario: ArmSmmuScenario, check: CaseCheck): void {
  const machine = new TableMachine(firstTable(scenario), (code) => check.player.warn(code));
  const port = new RecordedPort(check.player);
  const driver = probe(scenario, port, machine, check);
  if (driver === null) return;
  const run = new ScenarioRun(driver, machine, new RecordedStage(check, port));
  for (const operation of scenario.ops) run.perform(operation);
}

function probe(
  scenario: ArmSmmuScenario,
  port: RecordedPort,
  machine: TableMachine,
  check: CaseCheck,
): Smmuv2Driver | null {
  const { player } = check;
  const { ev, ret, ...learned } = scenario.probe;
  const regionSize = recordedRegion(scenario);
  const { compatible, contextInterrupts } = SMMU_HARDWARE[scenario.profile];
  const driver = check.operation('probe', ev, () => {
    try {
      return new Smmuv2Driver(port, machine, {
        compatible,
        contextInterrupts,
        kernel: scenario.kernel,
        coherentWalk: scenario.coherent,
        disableBypass: scenario.disable_bypass,
        forceStage: scenario.force_stage,
        ...(regionSize === null ? {} : { regionSize }),
        log: (level) => player.log(level),
      });
    } catch (error) {
      if (error instanceof NoSmmuError) return null;
      throw error;
    }
  });
  check.equal('ret', ret, driver === null ? -ENODEV : 0);
  if (driver !== null) check.equal('probe', scenario.probe.ret === 0 ? learned : {}, describeProbe(driver));
  return driver;
}

/** The lowest address at which a first-level table was recorded. */
export function firstTable({ ops }: ArmSmmuScenario): number {
  const found = ops.flatMap((op) => (op.op === 'attach' && op.domain !== undefined ? [tableOf(op.domain)] : []));
  return found.length === 0 ? MAPPED_PA : Math.min(...found);
}

/** How much of the region was mapped shows only in the message that says that it is the wrong size. */
function recordedRegion({ probe: { ev } }: ArmSmmuScenario): number | null {
  for (const [kind, level, text] of ev) {
    const found = kind === 'log' && level === 'warn' ? /mapped region size \((0x[0-9a-f]+)\)/.exec(String(text)) : null;
    if (found !== null) return Number(found[1]);
  }
  return null;
}

/** Linux's names and bits of what {@link Smmuv2Features} says, lowest bit first. */
function featureBits({ formats, ...features }: Smmuv2Features): number {
  const flags = [
    features.coherentWalk,
    features.streamMatch,
    features.stage1,
    features.stage2,
    features.nested,
    features.translationOps,
    features.vmid16,
    formats.granule4k,
    formats.granule16k,
    formats.granule64k,
    formats.long32,
    formats.short,
    features.extendedIds,
  ];
  return flags.reduce((sum, flag, bit) => sum + Number(flag) * 2 ** bit, 0);
}

function describeProbe({ features, streams }: Smmuv2Driver): Record<string, unknown> {
  return {
    features: featureBits(features),
    num_context_banks: features.contextBanks,
    num_s2_context_banks: features.stage2Banks,
    num_mapping_groups: features.groups,
    streamid_mask: streams.idMask,
    smr_mask_mask: streams.maskMask,
    va_size: features.vaBits,
    ipa_size: features.ipaBits,
    pa_size: features.paBits,
    pgsize_bitmap: features.pageSizes,
    pgshift: features.pages.shift,
    numpage: features.pages.globalPages,
  };
}

/** What the real driver did is the device under ours. */
class RecordedStage implements ScenarioStage {
  readonly #check: CaseCheck;
  readonly #port: RecordedPort;

  constructor(check: CaseCheck, port: RecordedPort) {
    this.#check = check;
    this.#port = port;
  }

  operation<T>(what: string, events: readonly DriverEvent[], perform: () => T): T {
    return this.#check.operation(what, events, perform);
  }

  equal(what: string, recorded: unknown, found: unknown): void {
    this.#check.equal(what, recorded, found);
  }

  handle({ addressLow, addressHigh, write }: ContextFault): number {
    const iova = BigInt(addressHigh) * BigInt(TWO_32) + BigInt(addressLow);
    const [answer = FaultAnswer.NONE] = this.#check.player.take('fault_handler', iova, Number(write));
    return Number(answer);
  }

  before(one: ArmSmmuOperation): void {
    this.#port.recorded = one.op !== 'map' || one.ev.length > 0;
  }
}
