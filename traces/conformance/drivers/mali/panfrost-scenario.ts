/** Plays a scenario of panfrost: contexts that come and go, buffers, faults and resets, with the driver's whole state after each step. */
import * as v from 'valibot';
import { PANFROST_PROFILES, PanfrostBuffer, type PanfrostContext, PanfrostDriver } from '../../../../devices/index.ts';
import type { CaseCheck } from '../case-check.ts';
import { eventList } from '../event.ts';
import { hex64, hexNumber, integer, linuxKernel } from '../fields.ts';
import { PanfrostWorld, segmentsOf } from './panfrost-world.ts';

const state = v.optional(
  v.object({
    as: v.array(integer),
    as_count: v.array(integer),
    lru: v.array(integer),
    alloc_mask: hexNumber,
    faulty_mask: hexNumber,
  }),
);
const common = { ev: eventList, state };
const place = {
  ...common,
  ctx: integer,
  bo: integer,
  va: hexNumber,
  size: hexNumber,
  noexec: v.boolean(),
  heap: v.boolean(),
  pm_active: v.boolean(),
};
const pairs = v.array(v.tuple([v.string(), v.string()]));

const operation = v.variant('op', [
  v.object({ op: v.literal('as_get'), ...common, ctx: integer, ret: integer }),
  v.object({ op: v.literal('as_put'), ...common, ctx: integer }),
  v.object({ op: v.literal('map'), ...place, sg: pairs, ret: integer }),
  v.object({ op: v.literal('reserve_heap'), ...place }),
  v.object({ op: v.literal('unmap'), ...common, ctx: integer, bo: integer, pm_active: v.boolean() }),
  v.object({
    op: v.literal('irq'),
    ...common,
    page_alloc_fails_after: integer,
    raw_ret: integer,
    raw_ev: eventList,
    thread_ret: v.optional(integer),
    active: v.array(integer),
  }),
  v.object({ op: v.literal('suspend_irq'), ...common }),
  v.object({ op: v.literal('reset'), ...common }),
  v.object({ op: v.literal('ctx_free'), ...common, ctx: integer, pm_active: v.boolean() }),
]);

export const scenarioSchema = v.object({
  kernel: linuxKernel,
  as_present: hexNumber,
  va_bits: integer,
  pa_bits: integer,
  coherent: v.boolean(),
  aarch64_mmu_feature: v.boolean(),
  aarch64_pgtable: v.optional(v.boolean(), false),
  reset_ev: eventList,
  ctx: v.array(v.object({ transtab: hexNumber, memattr: hex64, transcfg: v.optional(hex64) })),
  ops: v.array(operation),
});

type Scenario = v.InferOutput<typeof scenarioSchema>;
type Operation = Scenario['ops'][number];

/** A context that was freed. */
const FREED = -2;

class ScenarioPlay {
  readonly #check: CaseCheck;
  readonly #world: PanfrostWorld;
  readonly #driver: PanfrostDriver;
  readonly #contexts: PanfrostContext[] = [];
  readonly #freed = new Set<PanfrostContext>();
  readonly #buffers = new Map<number, PanfrostBuffer>();

  constructor(one: Scenario, check: CaseCheck) {
    this.#check = check;
    this.#world = new PanfrostWorld(check.player);
    const features = {
      asPresent: one.as_present,
      vaBits: one.va_bits,
      paBits: one.pa_bits,
      coherent: one.coherent,
      aarch64Mmu: one.aarch64_mmu_feature,
      aarch64Tables: one.aarch64_pgtable,
    };
    this.#driver = new PanfrostDriver(PANFROST_PROFILES[one.kernel], features, this.#world);
    check.operation('the first reset', one.reset_ev, () => this.#driver.reset());
    for (const wanted of one.ctx) this.#createContext(wanted);
  }

  #createContext(wanted: Scenario['ctx'][number]): void {
    const context = this.#driver.createContext();
    if (typeof context === 'number') {
      this.#check.equal('ctx', 0, context);
      return;
    }
    const { transtab, memattrLow, memattrHigh, transcfgLow, transcfgHigh } = context.registers;
    const whole = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low);
    this.#check.equal('ctx.transtab', wanted.transtab, transtab);
    this.#check.equal('ctx.memattr', Number(wanted.memattr), Number(whole(memattrLow, memattrHigh)));
    if (wanted.transcfg !== undefined) {
      this.#check.equal('ctx.transcfg', Number(wanted.transcfg), Number(whole(transcfgLow, transcfgHigh)));
    }
    this.#contexts.push(context);
  }

  perform(op: Operation): void {
    // Whoever raises an interrupt or takes an address space has power.
    this.#world.awake = 'pm_active' in op ? op.pm_active : true;
    const check = this.#check;
    if (op.op === 'irq') this.#interrupt(op);
    else {
      const ret = check.operation(describe(op), op.ev, () => this.#plain(op));
      if ('ret' in op) check.equal('ret', op.ret, ret);
    }
    if (op.state !== undefined) check.equal('state', op.state, this.#state());
  }

  #plain(op: Exclude<Operation, { readonly op: 'irq' }>): number {
    const driver = this.#driver;
    switch (op.op) {
      case 'as_get':
        return driver.asGet(this.#context(op.ctx));
      case 'as_put':
        driver.asPut(this.#context(op.ctx));
        break;
      case 'map':
        return driver.map(this.#place(op, op.sg));
      case 'reserve_heap':
        this.#place(op, []);
        break;
      case 'unmap': {
        const buffer = this.#buffers.get(op.bo) as PanfrostBuffer;
        driver.unmap(buffer);
        buffer.context.remove(buffer);
        break;
      }
      case 'suspend_irq':
        driver.suspendInterrupts();
        break;
      case 'reset':
        driver.reset();
        break;
      case 'ctx_free':
        driver.freeContext(this.#context(op.ctx));
        this.#freed.add(this.#context(op.ctx));
        break;
    }
    return 0;
  }

  #interrupt(op: Extract<Operation, { readonly op: 'irq' }>): void {
    const check = this.#check;
    this.#world.pagesLeft = op.page_alloc_fails_after;
    check.equal(
      'raw_ret',
      op.raw_ret,
      check.operation('the interrupt', op.raw_ev, () => this.#driver.handleInterrupt()),
    );
    const ret = check.operation('its thread', op.ev, () => this.#driver.serveInterrupt());
    if (op.thread_ret !== undefined) check.equal('thread_ret', op.thread_ret, ret);
    const active = [...this.#buffers].filter(([, { active: is }]) => is).map(([number]) => number);
    check.equal('active', op.active, active);
  }

  #place(op: Extract<Operation, { readonly op: 'map' | 'reserve_heap' }>, sg: readonly unknown[]): PanfrostBuffer {
    const context = this.#context(op.ctx);
    const { va: iova, size, heap, noexec } = op;
    const buffer = new PanfrostBuffer(context, { iova, size, heap, noexec }, segmentsOf(sg));
    context.place(buffer);
    this.#buffers.set(op.bo, buffer);
    return buffer;
  }

  #context(index: number): PanfrostContext {
    return this.#contexts[index] as PanfrostContext;
  }

  #state(): Record<string, unknown> {
    const { spaces } = this.#driver;
    return {
      as: this.#contexts.map((context) => (this.#freed.has(context) ? FREED : context.slot)),
      as_count: this.#contexts.map((context) => (this.#freed.has(context) ? 0 : context.users)),
      lru: spaces.recent.map((context) => this.#contexts.indexOf(context)),
      alloc_mask: spaces.allocated,
      faulty_mask: spaces.faulty,
    };
  }
}

export function playScenario(one: Scenario, check: CaseCheck): void {
  const play = new ScenarioPlay(one, check);
  for (const op of one.ops) play.perform(op);
}

function describe(op: Operation): string {
  return 'ctx' in op ? `${op.op} of context ${op.ctx}` : op.op;
}
