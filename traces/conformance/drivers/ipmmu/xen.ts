/** Cases of Xen's IPMMU driver, with tables of its own and with those of the guest. */
import * as v from 'valibot';
import {
  IPMMU_GENERATION_NAMES,
  IPMMU_GENERATIONS,
  type IpmmuUnit,
  type MicroTlb,
  type XenIpmmuDomain,
  XenIpmmuDriver,
  type XenTableSource,
} from '../../../../devices/index.ts';
import type { CaseCheck } from '../case-check.ts';
import { eventList } from '../event.ts';
import { hexNumber, integer } from '../fields.ts';
import { defineRunner } from '../runner.ts';
import { recordedStage, type Stage } from './stage.ts';

const ev = eventList;
const dom = integer;
/** Leaf and number in it. */
const utlbs = v.array(v.tuple([integer, integer]));

const operation = v.variant('op', [
  v.strictObject({ op: v.literal('domain_init'), dom, ttbr: hexNumber, ret: integer, context: integer, ev }),
  v.strictObject({ op: v.literal('attach'), dom, leaves: integer, utlbs, ret: integer, ev }),
  v.strictObject({ op: v.literal('detach'), dom, utlbs, ev }),
  v.strictObject({ op: v.literal('tlb_flush_all'), dom, ev }),
  v.strictObject({
    op: v.literal('irq'),
    contexts: v.record(v.string(), v.record(v.string(), hexNumber)),
    ret: integer,
    ev,
  }),
  v.strictObject({ op: v.literal('destroy'), dom, had_cache_context: v.boolean(), ev }),
]);
type Operation = v.InferOutput<typeof operation>;

export const xenIpmmuScenario = v.strictObject({
  id: integer,
  kernel: v.literal('xen-4.12'),
  gen: v.picklist(IPMMU_GENERATION_NAMES),
  p2m_shared: v.boolean(),
  imbuscr: hexNumber,
  imstr: hexNumber,
  num_ctx: integer,
  reset_ev: ev,
  ops: v.array(operation),
});
type Scenario = v.InferOutput<typeof xenIpmmuScenario>;

/** Leaf n of a recording has its registers here. */
const LEAF_BASES = [0x100_0000, 0x200_0000, 0x300_0000, 0x400_0000];
const EBUSY = -16;

/** Xen's driver performing a scenario. */
export class XenIpmmuScenario {
  readonly #stage: Stage;
  readonly #driver: XenIpmmuDriver;
  readonly #domains = new Map<number, XenIpmmuDomain>();
  /** First-level table of the guest that appears next. */
  #tableBase = 0;

  constructor(scenario: Scenario, stage: Stage, tables: (base: () => number) => XenTableSource) {
    const generation = IPMMU_GENERATIONS[scenario.gen];
    stage.equal('num_ctx', scenario.num_ctx, generation.contexts);
    this.#stage = stage;
    this.#driver = new XenIpmmuDriver({
      port: stage.port,
      generation,
      leafBases: generation.hasLeaves ? LEAF_BASES : [],
      tables: scenario.p2m_shared ? null : tables(() => this.#tableBase),
      log: () => stage.log(),
    });
  }

  run({ reset_ev, ops }: Scenario): void {
    this.#stage.operation('reset', reset_ev, () => this.#driver.reset());
    for (const op of ops) {
      const name = 'dom' in op ? `${op.op} domain ${op.dom}` : op.op;
      this.#stage.operation(name, op.ev, () => this.#perform(op));
    }
  }

  #perform(op: Operation): void {
    const driver = this.#driver;
    switch (op.op) {
      case 'domain_init': {
        this.#tableBase = op.ttbr;
        const domain = driver.createDomain(op.ttbr);
        this.#stage.equal('ret', op.ret, domain === null ? EBUSY : 0);
        this.#stage.equal('context', op.context, domain?.context ?? -1);
        if (domain !== null) this.#domains.set(op.dom, domain);
        break;
      }
      case 'attach': {
        const leaves = Array.from({ length: op.leaves }, (_, i) => this.#leaf(i));
        const ret = driver.attach(this.#domain(op.dom), leaves, this.#microTlbs(op.utlbs));
        this.#stage.equal('ret', op.ret, ret);
        break;
      }
      case 'detach':
        driver.detach(this.#microTlbs(op.utlbs));
        break;
      case 'tlb_flush_all':
        driver.flushAll(this.#domain(op.dom));
        break;
      case 'irq':
        this.#stage.faults(op.contexts);
        this.#stage.equal('ret', op.ret, Number(driver.handleInterrupt()));
        break;
      case 'destroy': {
        const domain = this.#domain(op.dom);
        this.#stage.equal('had_cache_context', op.had_cache_context, domain.leaves !== null);
        driver.destroyDomain(domain);
        this.#domains.delete(op.dom);
      }
    }
  }

  #microTlbs(pairs: readonly (readonly [number, number])[]): MicroTlb[] {
    return pairs.map(([leaf, index]) => ({ unit: this.#leaf(leaf), index }));
  }

  #leaf(index: number): IpmmuUnit {
    return this.#driver.leaves[index] ?? this.#driver.root;
  }

  #domain(dom: number): XenIpmmuDomain {
    const domain = this.#domains.get(dom);
    if (domain === undefined) throw new RangeError(`domain ${dom} is not there`);
    return domain;
  }
}

/** Tables of which only the calls are recorded. */
function recordedTables(check: CaseCheck): (base: () => number) => XenTableSource {
  const { player } = check;
  return (base) => ({
    create: ({ format, ias, oas }) => {
      player.expect('alloc_io_pgtable', format, ias, oas);
      return {
        base: base(),
        table: null,
        onFlush: () => {},
        free: () => {
          player.expect('free_io_pgtable');
          player.expect('free_tables');
        },
      };
    },
  });
}

export const IPMMU_XEN = defineRunner({
  name: 'ipmmu/xen',
  recognises: (line) => 'p2m_shared' in line && 'reset_ev' in line,
  schema: xenIpmmuScenario,
  perform: (scenario, check) => {
    new XenIpmmuScenario(scenario, recordedStage(check), recordedTables(check)).run(scenario);
  },
});
