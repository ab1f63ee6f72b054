/** Runners of panfrost's cases: exception names, single operations on an address space, and whole scenarios. */
import * as v from 'valibot';
import { maliSpec, PANFROST_PROFILES, PanfrostDriver } from '../../../../devices/index.ts';
import { eventList } from '../event.ts';
import { hexNumber, integer, linuxKernel } from '../fields.ts';
import { type CaseFields, type DriverRunner, defineRunner } from '../runner.ts';
import { playScenario, scenarioSchema } from './panfrost-scenario.ts';
import { ANY_GPU, PanfrostWorld } from './panfrost-world.ts';

const words = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/, 'a hexadecimal number such as "0x1000"'),
  v.transform((text) => {
    const value = BigInt(text);
    return { low: Number(value & 0xffffffffn), high: Number(value >> 32n) };
  }),
);
/** An address or a size; all ones, which no number holds, becomes 2^64. */
const span = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/, 'a hexadecimal number such as "0x1000"'),
  v.transform((text) => Number(text)),
);

const asOpSchema = v.variant('op', [
  v.object({
    op: v.literal('enable'),
    kernel: linuxKernel,
    as: integer,
    transtab: hexNumber,
    memattr: words,
    transcfg: v.optional(words, '0x0'),
    reset_pending: integer,
    ev: eventList,
  }),
  v.object({ op: v.literal('disable'), kernel: linuxKernel, as: integer, reset_pending: integer, ev: eventList }),
  v.object({
    op: v.literal('do_operation'),
    kernel: linuxKernel,
    as: integer,
    iova: span,
    size: span,
    cmd: integer,
    ret: integer,
    reset_pending: integer,
    ev: eventList,
  }),
]);

const asOps = defineRunner({
  name: 'panfrost/as_ops',
  recognises: (line) => has(line, 'op', 'reset_pending') && !has(line, 'mask'),
  schema: asOpSchema,
  perform(one, check) {
    const driver = new PanfrostDriver(PANFROST_PROFILES[one.kernel], ANY_GPU, new PanfrostWorld(check.player));
    const ret = check.operation(`${one.op} of address space ${one.as}`, one.ev, () => {
      if (one.op === 'do_operation') return driver.commands.run(one.as, one.cmd, one.iova, one.size);
      if (one.op === 'disable') driver.spaces.disable(one.as);
      else {
        const { transtab, memattr, transcfg } = one;
        driver.spaces.enable(one.as, {
          transtab,
          memattrLow: memattr.low,
          memattrHigh: memattr.high,
          transcfgLow: transcfg.low,
          transcfgHigh: transcfg.high,
        });
      }
      return 0;
    });
    if (one.op === 'do_operation') check.equal('ret', one.ret, ret);
    check.equal('reset_pending', one.reset_pending !== 0, driver.resetPending);
  },
});

const lockRegion = defineRunner({
  name: 'panfrost/lock_region',
  recognises: (line) => has(line, 'as', 'start', 'size', 'ev') && !has(line, 'op'),
  schema: v.object({ kernel: linuxKernel, as: integer, start: span, size: span, ev: eventList }),
  perform(one, check) {
    const driver = new PanfrostDriver(PANFROST_PROFILES[one.kernel], ANY_GPU, new PanfrostWorld(check.player));
    check.operation(`lock of ${one.size} bytes`, one.ev, () => driver.commands.lock(one.as, one.start, one.size));
  },
});

const exceptionNames = defineRunner({
  name: 'panfrost/exception_names',
  recognises: (line) => has(line, 'code', 'name') && !has(line, 'access'),
  schema: v.object({ code: integer, name: v.string() }),
  perform(one, check) {
    check.equal('name', one.name, maliSpec.exceptionName(maliSpec.JOB_MANAGER_EXCEPTIONS, one.code));
  },
});

const scenarios = defineRunner({
  name: 'panfrost/scenarios',
  recognises: (line) => has(line, 'as_present', 'aarch64_mmu_feature', 'ctx', 'ops'),
  schema: scenarioSchema,
  perform: playScenario,
});

/** Every kind of case that panfrost has. */
export const PANFROST_RUNNERS: readonly DriverRunner[] = [asOps, lockRegion, exceptionNames, scenarios];

function has(line: CaseFields, ...names: readonly string[]): boolean {
  return names.every((name) => name in line);
}
