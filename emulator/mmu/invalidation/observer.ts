/** Hardware that invalidates tells what: once per command, when it takes effect. ASID -1 stands for every one. */
export interface InvalidationObserver {
  /** Addresses [start, end) of a stage; a single address is a range of one byte. */
  addresses(stage: 1 | 2, start: number, end: number, asid: number, vmid: number, leafOnly: boolean): void;
  /**
   * The addresses told next come with a hint: their leaves are at this level, and entries of other levels may stay. Told before each
   * {@link addresses} that has one.
   */
  levelHint?(level: number): void;
  /** All of an address space. */
  addressSpace(asid: number, vmid: number): void;
  /** All of a VMID: its stage 1, and with `stage2` its stage 2. */
  virtualMachine(vmid: number, stage2: boolean): void;
  everything(): void;
  /** Software has had the hardware say that all invalidations so far are complete. */
  completed?(): void;
}
