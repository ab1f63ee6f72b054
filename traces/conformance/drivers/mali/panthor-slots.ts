/** Runners of panthor's cases about address spaces: single operations, slots, and the interrupt. */
import * as v from 'valibot';
import type { PanthorKernel, PanthorVm, SlotUser } from '../../../../devices/index.ts';
import type { CaseCheck } from '../case-check.ts';
import { eventList } from '../event.ts';
import { hexNumber, integer, linuxKernel } from '../fields.ts';
import { Divergence } from '../register-player.ts';
import { defineRunner } from '../runner.ts';
import { addressBits, firstOpHas, halves, has, recorded, span } from './panthor-fields.ts';
import { PanthorWorld } from './panthor-world.ts';

const ALL_FAULTS = 0xffff;

const asOpSchema = v.variant('op', [
  v.object({
    op: v.literal('enable'),
    kernel: linuxKernel,
    as: integer,
    transtab: halves,
    transcfg: halves,
    memattr: halves,
    ret: integer,
    reset_pending: integer,
    ev: eventList,
  }),
  v.object({
    op: v.literal('disable'),
    kernel: linuxKernel,
    as: integer,
    recycle_slot: v.optional(v.boolean(), false),
    locked_region: v.optional(v.boolean(), false),
    flush_already_pending: v.optional(v.boolean(), false),
    ret: integer,
    reset_pending: integer,
    ev: eventList,
  }),
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
  name: 'panthor/as_ops',
  recognises: (line) => has(line, 'op', 'as', 'ret', 'reset_pending', 'ev'),
  schema: asOpSchema,
  perform(one, check) {
    const { irq, spaces } = new PanthorWorld(one.kernel, check.player).mmu;
    irq.mask = ALL_FAULTS;
    irq.state = 0;
    const ret = check.operation(`${one.op} of address space ${one.as}`, one.ev, () => {
      if (one.op === 'do_operation') return spaces.operate(one.as, one.cmd, one.iova, one.size);
      if (one.op === 'disable') {
        spaces.flushPending = one.flush_already_pending;
        return spaces.disable(one.as, one.recycle_slot, { start: 0, size: one.locked_region ? 4096 : 0 });
      }
      return spaces.enable(one.as, {
        transtabLow: one.transtab.low,
        transtabHigh: one.transtab.high,
        memattrLow: one.memattr.low,
        memattrHigh: one.memattr.high,
        transcfgLow: one.transcfg.low,
        transcfgHigh: one.transcfg.high,
      });
    });
    check.equal('ret', one.ret, ret);
    check.equal('reset_pending', one.reset_pending !== 0, spaces.resetPending);
  },
});

const vmActive = defineRunner({
  name: 'panthor/vm_active',
  recognises: (line) => has(line, 'va_bits', 'for_mcu', 'init_ev', 'ttbr'),
  schema: v.object({
    kernel: linuxKernel,
    va_bits: addressBits,
    pa_bits: addressBits,
    coherent: v.boolean(),
    for_mcu: v.boolean(),
    init_ev: eventList,
    ttbr: recorded,
    mair: recorded,
    memattr: recorded,
    pgsize_bitmap: recorded,
    as: integer,
    ret: integer,
    ev: eventList,
  }),
  perform(one, check) {
    const world = new PanthorWorld(one.kernel, check.player);
    check.operation('init', one.init_ev, () => world.mmu.init());
    const vm = world.createVm({
      vaBits: one.va_bits,
      paBits: one.pa_bits,
      coherent: one.coherent,
      forMcu: one.for_mcu,
    });
    const { registers } = vm.table;
    if (registers.kind === 'stage-1') {
      check.equal('ttbr', one.ttbr, registers.ttbr);
      check.equal('mair', one.mair, (BigInt(registers.mairHigh) << 32n) | BigInt(registers.mairLow));
    }
    const { memattrLow, memattrHigh } = vm.user.translation;
    check.equal('memattr', one.memattr, (BigInt(memattrHigh) << 32n) | BigInt(memattrLow));
    const ret = check.operation('active', one.ev, () => world.mmu.activate(vm.user));
    check.equal('ret', one.ret, ret);
    check.equal('as', one.as, vm.user.slot);
  },
});

const stateSchema = v.object({
  as: v.array(integer),
  active: v.array(integer),
  unhandled_fault: v.array(integer),
  lru: v.array(integer),
  alloc_mask: recorded,
  faulty_mask: recorded,
  irq_mask: recorded,
});
type RecordedState = v.InferOutput<typeof stateSchema>;

/** The VMs of a case, and what has become of them. */
class Vms {
  readonly world: PanthorWorld;
  readonly vms: readonly SlotUser[];
  readonly freed = new Set<number>();

  constructor(world: PanthorWorld, vms: readonly SlotUser[]) {
    this.world = world;
    this.vms = vms;
  }

  compare(check: CaseCheck, state: RecordedState): void {
    const { mmu } = this.world;
    const of = (value: (vm: SlotUser, at: number) => number): number[] => this.vms.map(value);
    check.equal(
      'state.as',
      state.as,
      of((vm, at) => (this.freed.has(at) ? -2 : vm.slot)),
    );
    check.equal(
      'state.active',
      state.active,
      of((vm) => vm.users),
    );
    check.equal(
      'state.unhandled_fault',
      state.unhandled_fault,
      of((vm, at) => (vm.unhandledFault && !this.freed.has(at) ? 1 : 0)),
    );
    check.equal(
      'state.lru',
      state.lru,
      mmu.idleUsers.map((vm) => this.vms.indexOf(vm)),
    );
    check.equal('state.alloc_mask', state.alloc_mask, mmu.allocated);
    check.equal('state.faulty_mask', state.faulty_mask, mmu.faulty);
    check.equal('state.irq_mask', state.irq_mask, mmu.irq.mask);
  }
}

const state = stateSchema;
const vm = integer;
const slotOp = v.variant('op', [
  v.object({ op: v.literal('active'), vm, ret: integer, ev: eventList, state }),
  v.object({ op: v.picklist(['idle', 'free']), vm, ev: eventList, state }),
  v.object({ op: v.picklist(['suspend', 'resume', 'pre_reset', 'post_reset']), ev: eventList, state }),
  v.object({ op: v.literal('flush_all'), vm, ret: integer, ev: eventList, state }),
  v.object({
    op: v.literal('lock_unlock'),
    vm,
    start: span,
    size: span,
    locked: v.array(recorded),
    ev: eventList,
    state,
  }),
  v.object({
    op: v.literal('irq'),
    raw_ret: integer,
    raw_ev: eventList,
    thread_ret: v.optional(integer),
    ev: v.optional(eventList),
    state,
  }),
]);

const asSlots = defineRunner({
  name: 'panthor/as_slots',
  recognises: (line) => has(line, 'as_present', 'vms', 'vm0_is_mcu', 'ops') && firstOpHas(line, 'op', 'state'),
  schema: v.object({
    kernel: linuxKernel,
    as_present: hexNumber,
    coherent: v.boolean(),
    vms: integer,
    vm0_is_mcu: v.boolean(),
    transtab: v.array(recorded),
    memattr: recorded,
    va_bits: addressBits,
    ops: v.array(slotOp),
  }),
  perform(one, check) {
    const world = new PanthorWorld(one.kernel, check.player, one.as_present);
    const { mmu } = world;
    mmu.irq.mask = ALL_FAULTS;
    mmu.irq.state = 0;
    const vms = one.transtab.map((transtab, at) => {
      const made = world.createVm({ vaBits: one.va_bits, coherent: one.coherent, forMcu: one.vm0_is_mcu && at === 0 });
      check.equal(
        'transtab',
        transtab,
        made.user.translation.transtabHigh * 2 ** 32 + made.user.translation.transtabLow,
      );
      return made;
    });
    const all = new Vms(
      world,
      vms.map(({ user }) => user),
    );
    for (const op of one.ops) {
      perform(op, check, all, vms);
      all.compare(check, op.state);
    }
  },
});

function perform(op: v.InferOutput<typeof slotOp>, check: CaseCheck, all: Vms, vms: readonly PanthorVm[]): void {
  const { mmu } = all.world;
  switch (op.op) {
    case 'active':
      check.equal(
        'ret',
        op.ret,
        check.operation(`active ${op.vm}`, op.ev, () => mmu.activate(vmAt(vms, op.vm).user)),
      );
      break;
    case 'idle':
      check.operation(`idle ${op.vm}`, op.ev, () => mmu.idle(vmAt(vms, op.vm).user));
      break;
    case 'free':
      all.freed.add(op.vm);
      check.operation(`free ${op.vm}`, op.ev, () => mmu.free(vmAt(vms, op.vm).user));
      break;
    case 'suspend':
      check.operation('suspend', op.ev, () => mmu.suspend());
      break;
    case 'resume':
      check.operation('resume', op.ev, () => mmu.resume());
      break;
    case 'pre_reset':
      check.operation('pre_reset', op.ev, () => mmu.preReset());
      break;
    case 'post_reset':
      check.operation('post_reset', op.ev, () => mmu.postReset());
      break;
    case 'flush_all':
      check.equal(
        'ret',
        op.ret,
        check.operation(`flush_all ${op.vm}`, op.ev, () => vmAt(vms, op.vm).flushAll()),
      );
      break;
    case 'lock_unlock': {
      const locking = vmAt(vms, op.vm);
      const locked = check.operation(`lock_unlock ${op.vm}`, op.ev, () => {
        locking.lockRegion(op.start, op.size);
        const { start, size } = locking.user.locked;
        locking.unlockRegion();
        return [start, size];
      });
      check.equal('locked', op.locked, locked);
      break;
    }
    case 'irq':
      interrupt(op, check, all.world);
      break;
  }
}

/** Both handlers. */
function interrupt(
  one: {
    readonly raw_ret: number;
    readonly raw_ev: v.InferOutput<typeof eventList>;
    readonly thread_ret?: number | undefined;
    readonly ev?: v.InferOutput<typeof eventList> | undefined;
  },
  check: CaseCheck,
  { mmu }: PanthorWorld,
): void {
  const hard = check.operation('hard interrupt handler', one.raw_ev, () => mmu.irq.handleHard());
  check.equal('raw_ret', one.raw_ret, hard);
  if (one.thread_ret === undefined || one.ev === undefined) return;
  const thread = check.operation('threaded interrupt handler', one.ev, () => mmu.handleFaults());
  check.equal('thread_ret', one.thread_ret, thread);
}

function vmAt<T>(vms: readonly T[], at: number): T {
  const found = vms[at];
  if (found === undefined) throw new Divergence('vm', `0 to ${vms.length - 1}`, String(at));
  return found;
}

/** VMs that already have slots when the case begins. */
const irq = defineRunner({
  name: 'panthor/irq',
  recognises: (line) => has(line, 'mask', 'rawstat_seq', 'raw_ret', 'raw_ev', 'state'),
  schema: v.object({
    kernel: linuxKernel,
    mask: hexNumber,
    suspended: v.optional(integer, 0),
    irq_state: v.optional(integer, 0),
    raw_ret: integer,
    raw_ev: eventList,
    thread_ret: v.optional(integer),
    ev: v.optional(eventList),
    state,
  }),
  perform(one, check) {
    const world = new PanthorWorld(one.kernel, check.player);
    const vms = one.state.as.map((slot, at) => boundUser(world, one.kernel, slot, one.state.active[at] ?? 0));
    world.mmu.irq.mask = one.mask;
    world.mmu.irq.state = one.suspended !== 0 ? 2 : one.irq_state;
    interrupt(one, check, world);
    new Vms(world, vms).compare(check, one.state);
  },
});

function boundUser(world: PanthorWorld, _kernel: PanthorKernel, slot: number, users: number): SlotUser {
  const { user } = world.createVm();
  if (slot >= 0) world.mmu.bind(user, slot, users);
  return user;
}

export const SLOT_RUNNERS = [asOps, vmActive, asSlots, irq];
