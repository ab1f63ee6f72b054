/** Runners of panthor's cases about mappings: raw maps and unmaps, the GPUVA manager, and whole VM_BIND operations. */
import * as v from 'valibot';
import {
  type GpuVa,
  type GpuVaOverlap,
  GpuVaSpace,
  type PanthorBuffer,
  runOperation,
} from '../../../../devices/index.ts';
import { eventList } from '../event.ts';
import { integer, linuxKernel } from '../fields.ts';
import type { RegisterPlayer } from '../register-player.ts';
import { defineRunner } from '../runner.ts';
import { firstOpHas, has, scatterList, span } from './panthor-fields.ts';
import { PanthorWorld, recordedBuffer } from './panthor-world.ts';

const ALL_FAULTS = 0xffff;

const pageOp = v.variant('op', [
  v.object({
    op: v.literal('map_pages'),
    iova: span,
    prot: integer,
    offset: span,
    size: span,
    sg: scatterList,
    ret: integer,
    tables_used: integer,
    unusable: v.optional(v.boolean()),
    ev: eventList,
  }),
  v.object({
    op: v.literal('unmap_pages'),
    iova: span,
    size: span,
    ret: integer,
    tables_used: integer,
    unusable: v.optional(v.boolean()),
    ev: eventList,
  }),
]);

const mapPages = defineRunner({
  name: 'panthor/map_pages',
  recognises: (line) => has(line, 'as', 'coherent', 'reserved', 'ops'),
  schema: v.object({
    kernel: linuxKernel,
    as: integer,
    coherent: v.boolean(),
    reserved: integer,
    ops: v.array(pageOp),
  }),
  perform(one, check) {
    const { world, vm } = worldWithVm(one.kernel, one.as, one.coherent, check.player);
    vm.reserved = one.reserved;
    const locks = world.mmu.profile.lock === 'operation';
    for (const op of one.ops) {
      const before = vm.used;
      const ret = check.operation(op.op, op.ev, () => {
        let result = locks ? vm.lockRegion(op.iova, op.size) : 0;
        if (result !== 0) return result;
        result =
          op.op === 'unmap_pages'
            ? vm.unmapPages(op.iova, op.size)
            : vm.mapPages(op.iova, op.prot, recordedBuffer(0, op.sg).segments, op.offset, op.size);
        if (locks) vm.unlockRegion();
        return result;
      });
      check.equal('ret', op.ret, ret);
      check.equal('tables_used', op.tables_used, vm.used - before);
      if (op.unusable !== undefined) check.equal('unusable', op.unusable, vm.unusable);
    }
  },
});

const object = v.object({
  size: span,
  sg: scatterList,
  huge_2m: v.optional(v.array(integer), []),
  dummy: v.optional(v.boolean(), false),
});
const unusable = v.optional(v.boolean());
const vas = v.array(v.array(v.unknown()));
const bindOp = v.variant('op', [
  v.object({
    op: v.literal('map'),
    va: span,
    size: span,
    bo: integer,
    offset: span,
    flags: integer,
    reserved: integer,
    used: integer,
    ret: integer,
    unusable,
    ev: eventList,
    vas,
  }),
  v.object({
    op: v.literal('unmap'),
    va: span,
    size: span,
    reserved: integer,
    used: integer,
    ret: integer,
    unusable,
    ev: eventList,
    vas,
  }),
]);

const vmBind = defineRunner({
  name: 'panthor/vm_bind',
  recognises: (line) => has(line, 'as', 'coherent', 'bos', 'ops'),
  schema: v.object({
    kernel: linuxKernel,
    as: integer,
    coherent: v.boolean(),
    bos: v.array(object),
    ops: v.array(bindOp),
  }),
  perform(one, check) {
    const { vm } = worldWithVm(one.kernel, one.as, one.coherent, check.player);
    const buffers = one.bos.map(({ sg, huge_2m }, name) => recordedBuffer(name, sg, huge_2m));
    const observer = stepObserver<PanthorBuffer>(check.player, ({ name }) => name);
    for (const op of one.ops) {
      vm.reserved = op.reserved;
      vm.used = 0;
      const start = op.va;
      const end = op.va + op.size;
      const ret = check.operation(op.op, op.ev, () => {
        if (op.op === 'unmap') return runOperation(vm, { kind: 'unmap', start, end }, false, observer);
        const va = { start, end, object: buffers[op.bo] ?? null, offset: op.offset, flags: op.flags };
        return runOperation(vm, { kind: 'map', va }, false, observer);
      });
      check.equal('ret', op.ret, ret);
      check.equal('used', op.used, vm.used);
      if (op.unusable !== undefined) check.equal('unusable', op.unusable, vm.unusable);
      const found = vm.space.list().map((va) => [va.start, va.end - va.start, va.object?.name, va.offset, va.flags]);
      check.equal('vas', op.vas, found);
    }
  },
});

const stepOp = v.variant('op', [
  v.object({
    op: v.literal('map'),
    va: span,
    range: span,
    bo: integer,
    offset: span,
    ret: integer,
    ev: eventList,
    vas,
  }),
  v.object({ op: v.literal('unmap'), va: span, range: span, ret: integer, ev: eventList, vas }),
]);

const gpuvm = defineRunner({
  name: 'panthor/gpuvm',
  recognises: (line) => has(line, 'start', 'range', 'kernel_start', 'kernel_range', 'ops') && firstOpHas(line, 'range'),
  schema: v.object({
    start: span,
    range: span,
    kernel_start: span,
    kernel_range: span,
    bos: integer,
    ops: v.array(stepOp),
  }),
  perform(one, check) {
    const space = new GpuVaSpace<number>(one.start, one.range, one.kernel_start, one.kernel_range);
    const observer = stepObserver<number>(check.player, (name) => name);
    const steps = {
      map: (va: GpuVa<number>): number => {
        observer.map(va);
        return 0;
      },
      unmap: (old: GpuVa<number>, keep: boolean): number => {
        observer.unmap(old, keep);
        return 0;
      },
      remap: (overlap: GpuVaOverlap<number>, keep: boolean): number => {
        observer.remap(overlap, keep);
        check.player.expect('unmap_range', overlap.start, overlap.end - overlap.start);
        return 0;
      },
    };
    for (const op of one.ops) {
      const start = op.va;
      const end = op.va + op.range;
      const ret = check.operation(op.op, op.ev, () =>
        op.op === 'unmap'
          ? space.smUnmap(start, end, steps)
          : space.smMap({ start, end, object: op.bo, offset: op.offset, flags: 0 }, steps),
      );
      check.equal('ret', op.ret, ret);
      check.equal(
        'vas',
        op.vas,
        space.list().map((va) => [va.start, va.end - va.start, va.object, va.offset]),
      );
    }
  },
});

/** A VM that has slot `as` already, as it was when the case began. */
function worldWithVm(kernel: '6.12' | '7.3', as: number, coherent: boolean, player: RegisterPlayer) {
  const world = new PanthorWorld(kernel, player);
  world.mmu.irq.mask = ALL_FAULTS;
  world.mmu.irq.state = 0;
  const vm = world.createVm({ coherent });
  if (as >= 0) world.mmu.bind(vm.user, as, 1);
  return { world, vm };
}

/** Steps as events, before they act. */
function stepObserver<T>(player: RegisterPlayer, nameOf: (object: T) => number) {
  const plain = (va: GpuVa<T>) => ({
    va: va.start,
    range: va.end - va.start,
    bo: va.object === null ? -1 : nameOf(va.object),
    offset: va.offset,
  });
  return {
    map(va: GpuVa<T>): void {
      player.expect('step_map', plain(va));
    },
    unmap(old: GpuVa<T>, keep: boolean): void {
      player.expect('step_unmap', { ...plain(old), keep });
    },
    remap({ old, previous, next }: GpuVaOverlap<T>, keep: boolean): void {
      const part = (va: GpuVa<T> | null) => (va === null ? null : plain(va));
      player.expect('step_remap', { prev: part(previous), next: part(next), unmap: { ...plain(old), keep } });
    },
  };
}

export const PAGE_RUNNERS = [mapPages, vmBind, gpuvm];
