import { defineRunner } from '../runner.ts';
import { TableMachine } from '../table-machine.ts';
import { RecordedSmmu } from './recorded-smmu.ts';
import { type ArmSmmuV3Scenario, ArmSmmuV3ScenarioSchema } from './scenario.ts';
import { ScenarioRun } from './scenario-run.ts';

const FRAME = 65536;
/** A base for tables where none was recorded. */
const SOMEWHERE = 0x4000_0000;

/** Scenarios of Linux's arm-smmu-v3. */
export const ARM_SMMU_V3 = defineRunner({
  name: 'arm-smmu-v3/scenarios',
  recognises: (line) => 'idr' in line && 'ops' in line,
  schema: ArmSmmuV3ScenarioSchema,
  // That a gather was full follows from the commands it causes.
  skip: ['log', 'gather_sync'],
  perform: (scenario, check) => {
    const { player } = check;
    const base = lowestAddress(scenario);
    const smmu = new RecordedSmmu(player, base, scenario.msi_domain);
    const machine = new TableMachine(base, (code) => player.warn(code));
    const deliver = smmu.deliver.bind(smmu);
    new ScenarioRun(scenario, check, { port: smmu, coherent: smmu, platform: smmu, machine, deliver }).perform();
  },
});

/** The lowest address that the scenario names, whole frames down. */
export function lowestAddress({ probe }: ArmSmmuV3Scenario): number {
  const addresses = probe.ev.flatMap(([kind, , pa]) => (kind === 'alloc' ? [Number(pa)] : []));
  const lowest = addresses.length === 0 ? SOMEWHERE : Math.min(...addresses);
  return lowest - (lowest % FRAME);
}
