/**
 * What a first program needs, under the package's own name:
 *
 *     import { ReplayRun, runConfig } from 'tablewalk';
 *     const report = await new ReplayRun(['trace.dat'], runConfig({ iommu: { model: 'mali' } })).run();
 *
 *     import { Machine, newGather, Prot, runConfig } from 'tablewalk';
 *     const machine = new Machine(runConfig());
 *     const domain = machine.createDomain();
 *     machine.driver.map(domain, 0x1000_0000, 0x4000_0000, 4096, Prot.READ);
 *
 * The floors stand behind it: `tablewalk/formats`, `tablewalk/emulator`, `tablewalk/devices`, `tablewalk/traces`, and
 * `tablewalk/traces/browser` for pages.
 */
export {
  type IommuDevice,
  type IommuDomain,
  type IommuDriver,
  Machine,
  MMUS,
} from '../devices/index.ts';
export { AccessFlag, PRESETS, TranslationRequest } from '../emulator/index.ts';
export { allocIoPgtable, ConfigError, explainDescriptor, Gfp, newGather, Prot } from '../formats/index.ts';
export { type RunConfig, type RunConfigInput, runConfig } from './config/index.ts';
export { decodeFaults, type ExplainedFault } from './explain/index.ts';
export { CompareRun, ReplayRun } from './files/index.ts';
export { InputError } from './input-error.ts';
export type { Report } from './report/index.ts';
export { METRICS, metricsOf } from './report/index.ts';
