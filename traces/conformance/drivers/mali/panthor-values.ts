/** Runners of panthor's cases without state: encodings, names, and what is set aside before an operation. */
import * as v from 'valibot';
import {
  type LockedRegion,
  maliSpec,
  memattrOf,
  PANTHOR_PROFILES,
  reservationOf,
  splitAddressSpace,
} from '../../../../devices/index.ts';
import { eventList } from '../event.ts';
import { integer, linuxKernel } from '../fields.ts';
import { defineRunner } from '../runner.ts';
import { halves, has, recorded, span } from './panthor-fields.ts';
import { PanthorWorld } from './panthor-world.ts';

/** 6.12: the whole sequence that locks a region. */
const lockSequence = defineRunner({
  name: 'panthor/lock_region',
  recognises: (line) => has(line, 'as', 'start', 'size', 'ev') && !has(line, 'op') && line['kernel'] === 'linux-6.12',
  schema: v.object({ kernel: linuxKernel, as: integer, start: span, size: span, ev: eventList }),
  perform({ kernel, as, start, size, ev }, check) {
    const { mmu } = new PanthorWorld(kernel, check.player);
    check.operation('lock', ev, () => mmu.spaces.lockOnly(as, start, size));
  },
});

/** 7.3: what is locked, without the sequence. */
const lockValue = defineRunner({
  name: 'panthor/lock_region',
  recognises: (line) => has(line, 'start', 'size', 'lockaddr', 'locked_start'),
  schema: v.object({
    kernel: linuxKernel,
    start: span,
    size: span,
    lockaddr: recorded,
    locked_start: recorded,
    locked_size: recorded,
    ev: eventList,
  }),
  perform(one, check) {
    const { spaces } = new PanthorWorld(one.kernel, check.player).mmu;
    const region: LockedRegion = { start: one.start, size: one.size };
    const value = check.operation('encode', one.ev, () => {
      if (!spaces.encodeRegion(one.start, one.size, region)) return 0n;
      return (BigInt(spaces.lockAddress[1] as number) << 32n) | BigInt(spaces.lockAddress[0] as number);
    });
    check.equal('lockaddr', one.lockaddr, value);
    check.equal('locked_start', one.locked_start, region.start);
    // Of the whole space the driver's shift by 64 is undefined in C.
    if (region.size < maliSpec.WHOLE_SPACE) check.equal('locked_size', one.locked_size, region.size);
  },
});

const memattr = defineRunner({
  name: 'panthor/memattr',
  recognises: (line) => has(line, 'mair', 'memattr') && !has(line, 'ttbr'),
  schema: v.object({ kernel: linuxKernel, mair: halves, memattr: recorded, coherent: v.optional(v.boolean(), true) }),
  perform({ kernel, mair, memattr, coherent }, check) {
    const [low, high] = memattrOf(PANTHOR_PROFILES[kernel], mair.low, mair.high, coherent);
    check.equal('memattr', memattr, (BigInt(high) << 32n) | BigInt(low));
  },
});

const exceptionNames = defineRunner({
  name: 'panthor/exception_names',
  recognises: (line) => has(line, 'code', 'name', 'access'),
  schema: v.object({ code: integer, name: v.string(), access: v.string() }),
  perform({ code, name, access }, check) {
    check.equal('name', name, maliSpec.exceptionName(maliSpec.CSF_EXCEPTIONS, code));
    check.equal('access', access, maliSpec.FAULT_ACCESS_NAMES[code & 3]);
  },
});

const reserve = defineRunner({
  name: 'panthor/reserve',
  recognises: (line) => has(line, 'op', 'va', 'size', 'tables', 'vmas'),
  schema: v.object({
    op: v.picklist(['map', 'unmap']),
    va: span,
    size: span,
    ret: integer,
    tables: integer,
    vmas: integer,
  }),
  perform({ op, va, size, ret, tables, vmas }, check) {
    const end = va + size;
    const needed = reservationOf(
      op === 'map'
        ? { kind: 'map', va: { start: va, end, object: null, offset: 0, flags: 0 } }
        : { kind: 'unmap', start: va, end },
    );
    check.equal('ret', ret, 0);
    check.equal('tables', tables, needed.tables);
    check.equal('vmas', vmas, needed.vmas);
  },
});

const vaSplit = defineRunner({
  name: 'panthor/va_split',
  recognises: (line) => has(line, 'va_bits', 'user_va_range', 'task_size'),
  schema: v.object({
    va_bits: integer,
    user_va_range: span,
    flags: integer,
    task_size: span,
    ret: integer,
    kernel_va_start: v.optional(recorded),
    kernel_va_range: v.optional(recorded),
  }),
  perform(one, check) {
    const split = splitAddressSpace(one.va_bits, one.user_va_range, one.flags, one.task_size);
    check.equal('ret', one.ret, split.result);
    if (one.kernel_va_start !== undefined) check.equal('kernel_va_start', one.kernel_va_start, split.kernelStart);
    if (one.kernel_va_range !== undefined) check.equal('kernel_va_range', one.kernel_va_range, split.kernelRange);
  },
});

export const VALUE_RUNNERS = [lockSequence, lockValue, memattr, exceptionNames, reserve, vaSplit];
