/** How long somebody was at work: any CPU, the device, both at once. */
export class Activity {
  /** Time in which at least one CPU was at work, the device was, and both were. */
  cpu = 0;
  device = 0;
  both = 0;
  #cpus = 0;
  #devices = 0;
  #since = 0;

  /** Somebody was at work for so long while nobody else was. */
  alone(cpu: number, device: number): void {
    this.cpu += cpu;
    this.device += device;
  }

  /** So many more (or fewer, below 0) are at work from `now` on, which never goes back. */
  change(now: number, cpus: number, devices: number): void {
    const passed = now - this.#since;
    this.#since = now;
    if (this.#cpus > 0) this.cpu += passed;
    if (this.#devices > 0) this.device += passed;
    if (this.#cpus > 0 && this.#devices > 0) this.both += passed;
    this.#cpus += cpus;
    this.#devices += devices;
  }
}
