/** Small worlds with a Mali GPU and panfrost: what a client sees of address spaces that come, go, fault and hang. */
import * as v from 'valibot';
import { GpuSystem, type GpuWorkloadInput, maliSpec, runGpuWorkload } from '../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../emulator/index.ts';
import { checkConfig } from '../config/index.ts';
import type { ScenarioEvent } from './vm-bind-deadlock.ts';

const whole = (least: number, most: number, value: number) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), value);
const kernel = v.optional(v.picklist(['6.12', '7.3']), '7.3');

const GpuFaultStormSchema = v.strictObject({
  /** Kernel whose panfrost is followed. */
  kernel,
  /** Clients, each with a heap that grows from page faults, and the address spaces that the hardware has for them. */
  clients: whole(1, 32, 10),
  slots: whole(1, 16, 4),
  /** Frames of each client; each needs 2 MiB more of the heap. */
  frames: whole(1, 16, 4),
});

const GpuIdleEvictionSchema = v.strictObject({ kernel });
const GpuStuckSchema = v.strictObject({ kernel });

/** What one of these worlds came to. Plain JSON; times in GPU clock cycles, all of which are assumed. */
export interface GpuScenarioReport {
  readonly scenario: 'gpu-fault-storm' | 'gpu-idle-eviction' | 'gpu-stuck';
  readonly basis: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly events: readonly ScenarioEvent[];
  readonly figures: Readonly<Record<string, number>>;
}

const BASIS = 'sizes and times of the GPU are assumed; what the driver does follows recordings of the real one';
const CHUNK = 2 ** 21;

/** Every client's heap faults at once, while there are more clients than address spaces. */
export function runGpuFaultStorm(input: v.InferInput<typeof GpuFaultStormSchema> = {}): GpuScenarioReport {
  const config = checkConfig(GpuFaultStormSchema, input);
  const clients = Array.from({ length: config.clients }, (_, client) => client);
  const frames = Array.from({ length: config.frames }, (_, frame) => frame);
  // One heap per frame, so that each frame finds nothing mapped.
  const heaps = clients.flatMap((space) =>
    frames.map(
      (frame) => [`heap${space}.${frame}`, { kind: 'heap' as const, size: CHUNK, space, used: 65_536 }] as const,
    ),
  );
  const workload: GpuWorkloadInput = {
    surfaces: Object.fromEntries(heaps),
    jobs: frames.flatMap((frame) =>
      clients.map((space) => ({
        name: `client ${space}, frame ${frame}`,
        unit: 'tiler' as const,
        space,
        writes: [`heap${space}.${frame}`],
        after: frame === 0 ? [] : [`client ${space}, frame ${frame - 1}`],
      })),
    ),
  };
  const report = runGpuWorkload(workload, {
    kernel: config.kernel,
    mali: { asPresent: 2 ** config.slots - 1 },
    memory: 2 ** 31,
  });
  const { jobs, faults, evictions, stallCycles, driverCycles, cycles, locks, lockWaitCycles, timeouts } = report;
  const events = jobs.map(({ name, slot, start, end, outcome }) => ({
    cycles: start,
    what: `${name} in address space ${slot}: ${outcome} after ${Math.round(end - start).toLocaleString('en')} cycles`,
  }));
  events.sort((a, b) => a.cycles - b.cycles);
  return {
    scenario: 'gpu-fault-storm',
    basis: BASIS,
    config,
    events,
    figures: {
      jobs: jobs.length,
      'jobs done': jobs.filter(({ outcome }) => outcome === 'done').length,
      'page faults': faults,
      'address spaces taken from an idle client': evictions,
      'jobs that timed out': timeouts,
      'cycles, first job to last': cycles,
      'cycles that the GPU waited for the driver': stallCycles,
      'cycles that the driver worked': driverCycles,
      locks,
      'cycles that accesses waited for locks': lockWaitCycles,
    },
  };
}

/** Clients and a GPU, with what happens written down. */
class GpuStage {
  readonly system: GpuSystem;
  readonly events: ScenarioEvent[] = [];
  readonly #request = new TranslationRequest();

  constructor(system: GpuSystem) {
    this.system = system;
  }

  /** Lets somebody do something, and says what it came to. */
  step<T>(what: string, work: () => T, say: (result: T) => string): T {
    const { cpu } = this.system;
    const before = cpu.now;
    const result = work();
    const took = Math.round(cpu.now - before).toLocaleString('en');
    this.events.push({ cycles: before, what: `${what}: ${say(result)}, ${took} cycles of the CPU` });
    return result;
  }

  /** A core reads. @returns descriptors that the walk read, or -1 when the access was refused */
  read(slot: number, iova: number): number {
    const request = this.#request.ask(0, slot, -1, iova, AccessFlag.READ, this.system.cpu.now);
    return this.system.device.translate(request) ? request.descriptorReads : -1;
  }
}

/** One address space of the hardware, two clients: the idle one loses it, and pays when it comes back. */
export function runGpuIdleEviction(input: v.InferInput<typeof GpuIdleEvictionSchema> = {}): GpuScenarioReport {
  const config = checkConfig(GpuIdleEvictionSchema, input);
  const system = new GpuSystem({ kernel: config.kernel, mali: { asPresent: 1 } });
  const stage = new GpuStage(system);
  const { driver, device, cpu } = system;
  const [first, second] = [system.context(0), system.context(1)];
  const buffer = system.place(0, 65_536, false);
  system.place(1, 65_536, false);
  const slot = (got: number): string => `address space ${got}`;
  const before = cpu.now;
  stage.step('client 0 begins a job', () => driver.asGet(first), slot);
  const fresh = cpu.now - before;
  const cold = stage.read(0, buffer.iova);
  stage.step(
    'its job ends',
    () => driver.asPut(first),
    () => 'it keeps the address space',
  );
  const again = cpu.now;
  stage.step('client 0 begins another', () => driver.asGet(first), slot);
  const kept = cpu.now - again;
  const warm = stage.read(0, buffer.iova);
  stage.step(
    'its job ends',
    () => driver.asPut(first),
    () => 'it is idle',
  );
  const taken = cpu.now;
  stage.step(
    'client 1 begins a job',
    () => driver.asGet(second),
    (got) => `${slot(got)} is taken from client 0`,
  );
  const eviction = cpu.now - taken;
  stage.step(
    'its job ends',
    () => driver.asPut(second),
    () => 'it is idle',
  );
  stage.step('client 0 begins a third', () => driver.asGet(first), slot);
  const returned = stage.read(0, buffer.iova);
  const { commands } = device.spaces.get(0) ?? { commands: new Float64Array(6) };
  return {
    scenario: 'gpu-idle-eviction',
    basis: BASIS,
    config,
    events: stage.events,
    figures: {
      'cycles to get a free address space': fresh,
      'cycles to go on with the one it has': kept,
      'cycles to take one from an idle client': eviction,
      'descriptors read by the first access': cold,
      'by the first access of the next job': warm,
      'by the first access after the address space was lost and got back': returned,
      FLUSH_MEM: commands[maliSpec.AsCommand.FLUSH_MEM] ?? 0,
      UPDATE: commands[maliSpec.AsCommand.UPDATE] ?? 0,
    },
  };
}

/** An address space never finishes a command: the driver gives up after 100 ms, and the GPU is reset under everybody. */
export function runGpuStuck(input: v.InferInput<typeof GpuStuckSchema> = {}): GpuScenarioReport {
  const config = checkConfig(GpuStuckSchema, input);
  const system = new GpuSystem({ kernel: config.kernel });
  const stage = new GpuStage(system);
  const { driver, device, cpu } = system;
  const [first, second] = [system.context(0), system.context(1)];
  const buffer = system.place(0, 65_536, false);
  const other = system.place(1, 65_536, false);
  const slot = (got: number): string => `address space ${got}`;
  stage.step('client 0 begins a job', () => driver.asGet(first), slot);
  stage.step('client 1 begins a job', () => driver.asGet(second), slot);
  stage.read(0, buffer.iova);
  device.stick(0);
  const waits = driver.commands.waits;
  const stuck = cpu.now;
  stage.step(
    'client 0 unmaps a buffer while AS_ACTIVE of its address space is stuck',
    () => driver.unmap(buffer),
    () => (driver.resetPending ? 'given up, a reset is queued' : 'done'),
  );
  const stuckCycles = cpu.now - stuck;
  const polls = driver.commands.waits - waits;
  const refused = stage.read(1, other.iova);
  stage.step(
    'the worker resets the GPU',
    () => {
      device.reset();
      driver.reset();
    },
    () => 'no client has an address space',
  );
  const lost = stage.read(1, other.iova);
  stage.step('client 1 begins its job again', () => driver.asGet(second), slot);
  const back = stage.read(second.slot, other.iova);
  return {
    scenario: 'gpu-stuck',
    basis: BASIS,
    config,
    events: stage.events,
    figures: {
      'polls that ran out': polls,
      'cycles until the driver gave up': stuckCycles,
      'microseconds until the driver gave up': stuckCycles / device.config.timing.clockMHz,
      'the other client could go on before the reset': Number(refused >= 0),
      'the other client could go on after it': Number(lost >= 0),
      'the other client could go on once it had an address space again': Number(back >= 0),
    },
  };
}
