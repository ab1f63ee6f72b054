/** Cases of Linux's IPMMU driver: an IPMMU of one of three generations appears, and 30 to 70 operations follow. */
import * as v from 'valibot';
import {
  type FaultHandler,
  IPMMU_GENERATION_NAMES,
  IPMMU_GENERATIONS,
  type IpmmuMaster,
  type IpmmuUnit,
  type LinuxIpmmuDomain,
  LinuxIpmmuDriver,
} from '../../../../devices/index.ts';
import { Prot, type StageOneRegisters } from '../../../../formats/index.ts';
import { eventList } from '../event.ts';
import { hexNumber, integer, linuxKernel } from '../fields.ts';
import { defineRunner } from '../runner.ts';
import { ScenarioMemory } from './scenario-memory.ts';
import { recordedStage, type Stage } from './stage.ts';

const ev = eventList;
const dom = integer;
const dev = integer;
const pages = { dom, iova: hexNumber, pgsize: hexNumber, pgcount: integer, ev };

/** What the first attachment of a domain made, and how long its addresses are. */
const newTable = {
  ttbr: v.optional(hexNumber),
  mair: v.optional(v.string()),
  pgsize_bitmap: v.optional(hexNumber),
  ias: v.optional(integer),
  oas: v.optional(integer),
  quirks: v.optional(hexNumber),
  aperture_end: v.optional(hexNumber),
};

const operation = v.variant('op', [
  v.strictObject({ op: v.literal('probe_device'), dev, utlbs: v.array(integer), ev }),
  v.strictObject({ op: v.literal('attach'), dev, dom, ret: integer, context: v.optional(integer), ...newTable, ev }),
  v.strictObject({ op: v.literal('attach_identity'), dev, ret: integer, ev }),
  v.strictObject({ op: v.literal('release_device'), dev, ev }),
  v.strictObject({ op: v.literal('map'), ...pages, paddr: hexNumber, ret: integer, mapped: hexNumber }),
  v.strictObject({ op: v.literal('unmap'), ...pages, unmapped: hexNumber }),
  v.strictObject({ op: v.picklist(['iotlb_sync', 'tlb_flush_walk', 'flush_iotlb_all', 'domain_free']), dom, ev }),
  v.strictObject({
    op: v.literal('irq'),
    contexts: v.record(v.string(), v.record(v.string(), hexNumber)),
    handler: v.nullable(integer),
    ret: integer,
    ev,
  }),
  v.strictObject({ op: v.picklist(['resume_root', 'resume_leaf']), ev }),
  v.strictObject({ op: v.literal('remove'), which: v.picklist(['root', 'leaf']), ev }),
]);
export type LinuxIpmmuOperation = v.InferOutput<typeof operation>;

export const linuxIpmmuScenario = v.strictObject({
  id: integer,
  kernel: linuxKernel,
  gen: v.picklist(IPMMU_GENERATION_NAMES),
  leaf_base: hexNumber,
  imbuscr: hexNumber,
  imstr: hexNumber,
  probe_root: v.strictObject({ ret: integer, ev }),
  probe_leaf: v.optional(v.strictObject({ ret: integer, ev })),
  num_ctx: integer,
  num_utlbs: integer,
  ops: v.array(operation),
});
type Scenario = v.InferOutput<typeof linuxIpmmuScenario>;
type Operation = LinuxIpmmuOperation;

/** Linux's driver performing a scenario. */
export class LinuxIpmmuScenario {
  readonly driver: LinuxIpmmuDriver;
  readonly #stage: Stage;
  readonly #memory: ScenarioMemory;
  /** The IPMMU that masters are behind. */
  readonly #unit: IpmmuUnit;
  readonly #masters = new Map<number, IpmmuMaster>();
  readonly domains = new Map<number, LinuxIpmmuDomain>();
  /** First and last byte of what the last unmap took. */
  unmapped: readonly number[] = [];

  constructor(scenario: Scenario, stage: Stage, memory: ScenarioMemory) {
    const generation = IPMMU_GENERATIONS[scenario.gen];
    stage.equal('num_ctx', scenario.num_ctx, generation.contexts);
    stage.equal('num_utlbs', scenario.num_utlbs, generation.microTlbs);
    this.#stage = stage;
    this.#memory = memory;
    this.driver = new LinuxIpmmuDriver({
      port: stage.port,
      generation,
      kernel: scenario.kernel,
      leafBases: generation.hasLeaves ? [scenario.leaf_base] : [],
      machine: memory,
      log: () => stage.log(),
    });
    this.#unit = this.driver.leaves[0] ?? this.driver.root;
  }

  run({ probe_root, probe_leaf, ops }: Scenario): void {
    const stage = this.#stage;
    stage.operation('probe_root', probe_root.ev, () => this.driver.probe(this.driver.root));
    if (probe_leaf !== undefined) stage.operation('probe_leaf', probe_leaf.ev, () => this.driver.probe(this.#unit));
    for (const op of ops) stage.operation(describe(op), op.ev, () => this.#perform(op));
  }

  #perform(op: Operation): void {
    const { driver } = this;
    switch (op.op) {
      case 'probe_device':
        this.#masters.set(op.dev, driver.newMaster(this.#unit, op.utlbs));
        break;
      case 'attach':
        this.#attach(op);
        break;
      case 'attach_identity':
        this.#stage.equal('ret', op.ret, driver.attachIdentity(this.#master(op.dev)));
        break;
      case 'release_device':
        driver.releaseMaster(this.#master(op.dev));
        break;
      case 'map':
      case 'unmap':
        this.#edit(op);
        break;
      case 'iotlb_sync':
        driver.iotlbSync(this.#domain(op.dom));
        break;
      case 'tlb_flush_walk':
        driver.flushWalk(this.#domain(op.dom));
        break;
      case 'flush_iotlb_all':
        driver.flushAll(this.#domain(op.dom));
        break;
      case 'domain_free':
        driver.freeDomain(this.#domain(op.dom));
        this.domains.delete(op.dom);
        break;
      case 'irq':
        this.#interrupt(op);
        break;
      case 'resume_root':
        driver.resume(driver.root);
        break;
      case 'resume_leaf':
        driver.resume(this.#unit);
        break;
      case 'remove':
        driver.remove(op.which === 'root' ? driver.root : this.#unit);
    }
  }

  #attach(op: Extract<Operation, { op: 'attach' }>): void {
    const domain = this.#domain(op.dom);
    this.#memory.nextTable = op.ttbr ?? -1;
    this.#stage.equal('ret', op.ret, this.driver.attach(this.#master(op.dev), domain));
    if (op.ret !== 0) return;
    this.#stage.equal('context', op.context, domain.context);
    const { table } = domain;
    if (op.ttbr === undefined || table === null) return;
    const { ttbr, mairLow, mairHigh } = table.registers as StageOneRegisters;
    const { config } = table;
    this.#stage.equal('ttbr', op.ttbr, ttbr);
    this.#stage.equal('mair', op.mair, (BigInt(mairHigh) << 32n) | BigInt(mairLow));
    this.#stage.equal('pgsize_bitmap', op.pgsize_bitmap, config.pageSizes);
    this.#stage.equal('ias', op.ias, config.ias);
    this.#stage.equal('oas', op.oas, config.oas);
    this.#stage.equal('quirks', op.quirks, config.quirks);
    this.#stage.equal('aperture_end', op.aperture_end, 2 ** config.ias - 1);
  }

  #edit(op: Extract<Operation, { op: 'map' | 'unmap' }>): void {
    const domain = this.#domain(op.dom);
    if (op.op === 'unmap') {
      const gather = { start: Number.MAX_SAFE_INTEGER, end: 0, pageSize: 0, queued: false };
      const unmapped = this.driver.unmapPages(domain, op.iova, op.pgsize, op.pgcount, gather);
      this.#stage.equal('unmapped', op.unmapped, unmapped);
      this.unmapped = unmapped === 0 ? [] : [op.iova, op.iova + unmapped - 1];
      return;
    }
    const ret = this.driver.mapPages(domain, op.iova, op.paddr, op.pgsize, op.pgcount, Prot.READ | Prot.WRITE);
    this.#stage.equal('ret', op.ret, ret);
    this.#stage.equal('mapped', op.mapped, domain.table?.mapped);
  }

  #interrupt(op: Extract<Operation, { op: 'irq' }>): void {
    const answer: FaultHandler = (iova, flags) => this.#stage.answerFault(iova, flags);
    for (const domain of this.domains.values()) domain.handler = op.handler === null ? null : answer;
    this.#stage.faults(op.contexts);
    this.#stage.equal('ret', op.ret, Number(this.driver.handleInterrupt()));
  }

  #domain(dom: number): LinuxIpmmuDomain {
    let domain = this.domains.get(dom);
    if (domain === undefined) {
      domain = this.driver.newDomain();
      this.domains.set(dom, domain);
    }
    return domain;
  }

  #master(dev: number): IpmmuMaster {
    const master = this.#masters.get(dev);
    if (master === undefined) throw new RangeError(`device ${dev} was never probed`);
    return master;
  }
}

function describe(op: Operation): string {
  const words: string[] = [op.op];
  if ('dev' in op) words.push(`device ${op.dev}`);
  if ('dom' in op) words.push(`domain ${op.dom}`);
  return words.join(' ');
}

export const IPMMU_LINUX = defineRunner({
  name: 'ipmmu/scenarios',
  recognises: (line) => 'probe_root' in line && 'leaf_base' in line,
  schema: linuxIpmmuScenario,
  perform: (scenario, check) => {
    const stage = recordedStage(check);
    new LinuxIpmmuScenario(scenario, stage, new ScenarioMemory((code) => stage.warn(code))).run(scenario);
  },
});
