/**
 * Runs a workload: jobs become ready, get an address space, are worked off by the cores, fault, and are waited for; the driver's work is
 * done at the cycle at which it is due, and takes its time while the cores go on. Deterministic: of two things due at one cycle, the
 * core with the lower number goes first, and the CPU before all of them.
 *
 * Approximate: a walk of one core does not hold up a walk of another; the CPU does one thing at a time; a job has a core until its part
 * is finished; nothing is computed, so what is accessed does not depend on data.
 */

import type { PanfrostBuffer } from '../driver/index.ts';
import { IrqReturn } from '../driver/index.ts';
import { type PlacedTiles, planOf } from './access-plan.ts';
import { GpuCore } from './core.ts';
import { GpuSystem, type GpuSystemOptions } from './gpu-system.ts';
import { type GpuRunReport, reportOf } from './report.ts';
import { RunningJob } from './running-job.ts';
import { type SurfaceTiles, tilesOf } from './surface-layout.ts';
import { type GpuWorkload, parseGpuWorkload } from './workload.ts';

/** Cycles after which panfrost gives a job up: 500 ms at 800 MHz (JOB_TIMEOUT_MS). */
const JOB_TIMEOUT = 400_000_000;

interface PlacedSurface {
  buffer: PanfrostBuffer;
  readonly tiles: SurfaceTiles;
}

export class GpuEngine {
  readonly system: GpuSystem;
  readonly workload: GpuWorkload;
  readonly cores: readonly GpuCore[];
  readonly jobs: RunningJob[] = [];
  /** Cycles that the driver worked. */
  driverCycles = 0;
  /** Times that a context lost its address space to another. */
  evictions = 0;
  timeouts = 0;
  readonly #surfaces = new Map<string, PlacedSurface>();
  /** Jobs by name and frame. */
  readonly #byName = new Map<string, RunningJob>();
  /** Cycle at which the CPU has a fault to serve; Infinity for none. */
  #interruptAt = Number.POSITIVE_INFINITY;
  #cycle = 0;

  /** @throws ConfigError for a workload that cannot be */
  constructor(workload: unknown, options: GpuSystemOptions = {}) {
    this.workload = parseGpuWorkload(workload);
    this.system = new GpuSystem(options);
    const { device } = this.system;
    const count = device.config.cores + 1;
    this.cores = Array.from({ length: count }, (_, at) => new GpuCore(at, device, this.workload.outstanding));
    device.onRestart = (as, cycle) => {
      for (const core of this.cores) core.restart(as, cycle);
    };
    device.mmuInterrupt.onRaised = () => {
      this.#interruptAt = Math.min(this.#interruptAt, this.#cycle + this.workload.interruptLatency);
    };
    for (const [name, surface] of Object.entries(this.workload.surfaces)) {
      const tiles = tilesOf(surface);
      this.#surfaces.set(name, {
        tiles,
        buffer: this.system.place(surface.space, tiles.size, surface.kind === 'heap'),
      });
    }
    for (let frame = 0; frame < this.workload.frames; frame++) {
      for (const spec of this.workload.jobs) {
        const job = new RunningJob(spec, frame);
        this.jobs.push(job);
        this.#byName.set(`${spec.name} ${frame}`, job);
      }
    }
    this.#cycle = this.system.device.now;
  }

  /** Runs everything to its end. */
  run(): GpuRunReport {
    this.#beginReady();
    for (;;) {
      let due: GpuCore | null = null;
      let at = this.#interruptAt;
      for (const core of this.cores) {
        if (core.due >= at) continue;
        at = core.due;
        due = core;
      }
      if (at === Number.POSITIVE_INFINITY) {
        if (this.jobs.every(({ over }) => over)) break;
        this.#timeOut();
        continue;
      }
      this.#cycle = Math.max(this.#cycle, at);
      if (due === null) this.#serveInterrupt();
      else {
        const ended = due.step();
        if (ended !== null) this.#finish(ended);
      }
    }
    return reportOf(this);
  }

  /** Lets the driver work, from a cycle on. */
  #driver<T>(cycle: number, work: () => T): T {
    const { cpu } = this.system;
    // The CPU may still be at what it did before.
    cpu.now = Math.max(cpu.now, cycle);
    const before = cpu.now;
    const result = work();
    this.driverCycles += cpu.now - before;
    return result;
  }

  #serveInterrupt(): void {
    this.#interruptAt = Number.POSITIVE_INFINITY;
    const { driver, device } = this.system;
    this.#driver(this.#cycle, () => {
      if (driver.handleInterrupt() === IrqReturn.WAKE_THREAD) driver.serveInterrupt();
    });
    this.#resetIfStuck();
    if (device.mmuInterrupt.raised) this.#interruptAt = device.now + this.workload.interruptLatency;
  }

  /** Begins every job whose predecessors are over and which gets an address space. */
  #beginReady(): void {
    for (const job of this.jobs) {
      if (job.outcome === 'waiting' && this.#isReady(job)) this.#begin(job);
    }
  }

  #isReady(job: RunningJob): boolean {
    const { name, after } = job.spec;
    const isOver = (other: string, frame: number): boolean => this.#byName.get(`${other} ${frame}`)?.over ?? true;
    return isOver(name, job.frame - 1) && after.every((other) => isOver(other, job.frame));
  }

  #begin(job: RunningJob): void {
    const { driver, device } = this.system;
    const { spec } = job;
    const context = this.system.context(spec.space);
    const owners = new Set(driver.spaces.recent);
    const busy = driver.spaces.recent.every(({ users }) => users > 0);
    if (context.slot < 0 && owners.size >= device.spaces.size && busy) return;
    const slot = this.#driver(this.#cycle, () => {
      for (const name of spec.remaps) {
        const surface = this.#surfaces.get(name) as PlacedSurface;
        surface.buffer = this.system.remap(surface.buffer);
      }
      return driver.asGet(context);
    });
    for (const owner of owners) if (owner.slot < 0) this.evictions++;
    this.#resetIfStuck();
    const placed = [
      ...spec.reads.map((name) => this.#placed(name, false)),
      ...spec.writes.map((name) => this.#placed(name, true)),
    ];
    const tiler = this.cores.length - 1;
    const cores = spec.unit === 'tiler' ? [this.cores[tiler] as GpuCore] : this.cores.slice(0, tiler);
    job.begin(slot, this.system.cpu.now, cores.length);
    for (const [at, core] of cores.entries()) core.give({ job, plan: planOf(placed, at, cores.length) });
  }

  #placed(name: string, write: boolean): PlacedTiles {
    const { buffer, tiles } = this.#surfaces.get(name) as PlacedSurface;
    return { iova: buffer.iova, tiles, write };
  }

  /** A job is over: its address space may be given to another. */
  #finish(job: RunningJob): void {
    if (job.outcome !== 'done') for (const core of this.cores) core.cancel(job);
    const context = this.system.context(job.spec.space);
    if (context.users > 0) this.system.driver.asPut(context);
    this.#beginReady();
  }

  /** Nothing moves any more: the jobs that run time out, and the GPU is reset. */
  #timeOut(): void {
    this.#cycle += JOB_TIMEOUT;
    const running = this.jobs.filter(({ outcome }) => outcome === 'running');
    this.timeouts += running.length;
    for (const job of running) {
      job.fail('timeout', this.#cycle);
      for (const core of this.cores) core.cancel(job);
    }
    this.#reset();
    this.#beginReady();
    if (running.length === 0) for (const job of this.jobs) if (!job.over) job.fail('timeout', this.#cycle);
  }

  #resetIfStuck(): void {
    if (!this.system.driver.resetPending) return;
    const running = this.jobs.filter(({ outcome }) => outcome === 'running');
    for (const job of running) {
      job.fail('faulted', this.system.cpu.now);
      for (const core of this.cores) core.cancel(job);
    }
    this.#reset();
  }

  #reset(): void {
    const { device, driver } = this.system;
    this.#driver(this.#cycle, () => {
      device.reset();
      driver.reset();
    });
    this.#interruptAt = Number.POSITIVE_INFINITY;
  }
}

/** Runs a workload on a fresh machine. @throws ConfigError for a workload that cannot be */
export function runGpuWorkload(workload: unknown, options: GpuSystemOptions = {}): GpuRunReport {
  return new GpuEngine(workload, options).run();
}
