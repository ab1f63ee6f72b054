import { CPU_WAITS, type CpuJob, type Machine, Processors } from '../../devices/index.ts';
import { OPERATION_KIND_NAMES, type Operation, OperationKind, SmallHistogram } from '../../emulator/index.ts';
import type { RunConfig } from '../config/index.ts';
import type { ReplayTime } from './replay-time.ts';

/** Without pauses, how many operations of one CPU may wait before the capture goes on: so far other CPUs can run ahead of it. */
const MOST_WAITING = 64;

/** What one CPU did, in cycles. */
export class CpuAccount {
  operations = 0;
  /** What its operations would take on a CPU that is alone, less what others did for it. */
  own = 0;
  /** Of this, waiting for the device. */
  polling = 0;
  /** What it waited for because of the others, by `CpuWait`. */
  readonly waits = new Float64Array(CPU_WAITS);
  /** All of it. */
  total = 0;

  add({ alone, polling, pollingSpared, workSpared, waits, waited, total }: CpuJob): void {
    this.operations++;
    this.own += alone - pollingSpared - workSpared;
    this.polling += polling - pollingSpared;
    this.total += total;
    if (waited === 0) return;
    for (let why = 0; why < CPU_WAITS; why++) {
      this.waits[why] = (this.waits[why] as number) + (waits[why] as number);
    }
  }
}

/**
 * When each operation runs on which CPU, and what CPUs wait for because there are others.
 *
 * The tables see the operations in the order of the capture, one after the other on the machine's clock, whatever the number of CPUs: leaves,
 * invalidations, accesses, stale windows and the ledger's bill are those of that order. Beside it, what the bill says of each operation is
 * put on the CPU that the capture names (or that of its domain), no earlier than the capture has it (or as soon as that CPU is free), and
 * `Processors` lets the CPUs run at once.
 */
export class CpuTimes {
  /** By the number of the CPU here, and which CPUs (or domains) of the capture they stand for. */
  readonly accounts: CpuAccount[] = [];
  readonly names: number[][] = [];
  /** How long operations took, waiting for others included, by `OperationKind`. */
  readonly kinds: readonly SmallHistogram[] = OPERATION_KIND_NAMES.map(() => new SmallHistogram());
  readonly processors: Processors;
  /** Maps and unmaps whose line names no CPU. */
  unnamed = 0;
  /** When the first operation began, and the last was over. */
  begin = Number.POSITIVE_INFINITY;
  end = 0;
  /** Told of each operation that has run; the object is reused. */
  onJob: ((job: Readonly<CpuJob>) => void) | null = null;

  readonly #machine: Machine;
  readonly #time: ReplayTime;
  /** Most CPUs; Infinity for as many as the capture has. */
  readonly #most: number;
  readonly #byDomain: boolean;
  readonly #pauses: boolean;
  /** CPU here of each CPU of the capture. */
  readonly #places = new Map<number, number>();
  /** The operation under way: its steps so far. */
  #job: CpuJob;
  /** The operation before it, whose mappings devices use next. */
  #last: CpuJob | null = null;

  constructor(machine: Machine, config: RunConfig, time: ReplayTime) {
    this.#machine = machine;
    this.#time = time;
    this.#most = config.cpus === 'capture' ? Number.POSITIVE_INFINITY : config.cpus;
    this.#byDomain = config.cpuLoad.by === 'domain';
    this.#pauses = !config.cpuLoad.backToBack;
    const { reserve, command, doorbell } = config.driver.cost;
    const awake = config.mmu.deviations.invalidationIsFree ? 0 : config.mmu.invalidation.doorbell;
    const queue = 2 ** Math.min(config.driver.commandQueueBits, config.smmu.commandQueueBits);
    const prices = { transfer: config.interconnect.transferCycles, reserve, command, doorbell, awake };
    this.processors = new Processors(prices, queue, config.seed, (job) => this.#done(job));
    this.#job = this.processors.take();
    machine.driver.onStep = (step) => this.#job.add(step);
    machine.costs.schedule = (operation) => this.#schedule(operation);
  }

  /** A stream has accessed memory for so long. */
  access(stream: number, cycles: number): void {
    this.#last?.access(stream, cycles);
  }

  finish(): void {
    this.processors.finish();
    this.#last = null;
    this.#machine.driver.onStep = null;
    this.#machine.costs.schedule = null;
  }

  #schedule({ kind, number, cpu, domain, cycles }: Readonly<Operation>): void {
    const job = this.#job;
    if (cycles === 0 && job.count === 0) return;
    const { sanitizer, clock } = this.#machine;
    const other = kind === OperationKind.OTHER;
    const named = this.#byDomain ? (other ? sanitizer.domain : domain) : other ? sanitizer.cpu : cpu;
    if (named < 0 && kind <= OperationKind.UNMAP) this.unnamed++;
    job.cpu = this.#placeOf(named);
    job.arrival = this.#pauses ? this.#time.cyclesAt(clock.seconds) : 0;
    job.alone = cycles;
    job.kind = kind;
    job.operation = number;
    this.processors.submit(job, this.#pauses ? Number.POSITIVE_INFINITY : MOST_WAITING);
    this.#last = job;
    this.#job = this.processors.take();
  }

  #placeOf(cpu: number): number {
    let place = this.#places.get(cpu);
    if (place !== undefined) return place;
    if (this.#most !== Number.POSITIVE_INFINITY) place = Math.max(cpu, 0) % this.#most;
    // What no line names runs on the first.
    else place = cpu < 0 || this.names[0]?.length === 0 ? 0 : this.names.length;
    this.#places.set(cpu, place);
    while (this.accounts.length <= place) {
      this.accounts.push(new CpuAccount());
      this.names.push([]);
    }
    if (cpu >= 0) this.names[place]?.push(cpu);
    return place;
  }

  #done(job: CpuJob): void {
    this.accounts[job.cpu]?.add(job);
    this.kinds[job.kind]?.add(job.total);
    this.begin = Math.min(this.begin, job.start);
    this.end = Math.max(this.end, job.end);
    this.onJob?.(job);
  }
}
