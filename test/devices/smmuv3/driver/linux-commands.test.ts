import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Command, decodeCommand, type Smmuv3Domain } from '../../../../devices/index.ts';
import { newGather } from '../../../../formats/index.ts';
import { machineWith } from '../machine.ts';

const lines = (file: string): string[] => gunzipSync(readFileSync(file)).toString().split('\n');
const hex = (line: string, name: string): number => Number(new RegExp(`\\b${name}=(0x[0-9a-f]+)`).exec(line)?.[1]);

/** The pieces that QEMU 7.2 breaks a range invalidation into when it logs it: naturally aligned powers of two. */
function pieces(address: number, pages: number): [number, number][] {
  const list: [number, number][] = [];
  let at = address / 4096;
  let left = pages;
  while (left > 0) {
    let size = 1;
    while (size * 2 <= left && at % (size * 2) === 0) size *= 2;
    list.push([at * 4096, size]);
    at += size;
    left -= size;
  }
  return list;
}

/** A command as a line of the vector file has it. */
function logged({ name, fields: f }: Command): string {
  const { ASID = 0, StreamID = 0, Address = 0, NUM = 0, SCALE = 0, TG = 0, TTL = 0, Leaf = 0 } = f;
  switch (name) {
    case 'TLBI_NH_ASID':
      return `${name} ${ASID}`;
    case 'CFGI_CD':
    case 'CFGI_STE':
      return `${name} ${StreamID.toString(16)}`;
    case 'TLBI_NH_VA':
      return [
        name,
        ...pieces(Address, (NUM + 1) * 2 ** SCALE).map(([address, pages]) =>
          [ASID, address.toString(16), TG, pages.toString(16), TTL, Leaf].join(),
        ),
      ].join(' ');
    default:
      return name;
  }
}

/** The blocking domain of the VFIO capture: a static object of the kernel. A device attached to it has no domain. */
const BLOCKED = '0xffffdb0112341b18';

/** Plays the attaches, maps and unmaps of a trace. @returns the commands that the SMMU executed. */
function play(capture: string): string[] {
  const sent: string[] = [];
  // The SMMU of the capture.
  const { smmu, memory, makeDriver } = machineWith({ stage2: false, msi: false, sev: false, outputBits: 44 });
  const execute = smmu.commands.execute.bind(smmu.commands);
  smmu.commands.execute = (pa) => {
    const command = decodeCommand(memory.words, memory.index(pa));
    if (command !== null) sent.push(logged(command));
    return execute(pa);
  };
  const driver = makeDriver();
  const domains = new Map<string, Smmuv3Domain>();
  const attached = new Map<number, Smmuv3Domain>();
  const gather = newGather();
  /** The unmap that was not synced yet: its domain and where it ended. */
  let open: { domain: Smmuv3Domain; end: number } | null = null;
  for (const line of lines(`traces/samples/${capture}.ftrace.txt.gz`)) {
    const event = /(dom_attach|dom_map|dom_unmap): \(.*\) domain=(0x[0-9a-f]+)/.exec(line);
    if (event === null) continue;
    const [, kind, pointer = ''] = event;
    const [, bus = '', slot = '', fn = ''] = /dev="0000:(..):(..)\.(.)"/.exec(line) ?? [];
    const stream = Number.parseInt(bus, 16) * 256 + Number.parseInt(slot, 16) * 8 + Number(fn);
    // VFIO (the Python program) unmaps a mapping chunk by chunk with one gather, DMA-IOMMU unmaps it at once.
    const userSpace = line.includes('python3');
    const iova = hex(line, 'iova');
    const size = hex(line, 'size');
    // Its first two unmaps are a probe for block splits (vfio_test_domain_fgsp), each with a sync of its own.
    const probe = iova === 0x1000;
    if (open !== null && (kind !== 'dom_unmap' || !userSpace || probe || open.end !== iova)) {
      driver.iotlbSync(open.domain, gather);
      open = null;
    }
    if (pointer === BLOCKED) {
      const domain = attached.get(stream);
      // The second time the program ends, and what it left mapped goes in an order of its own.
      if (domains.size > 7) break;
      if (domain !== undefined) driver.detach(domain, stream);
      continue;
    }
    const domain = domains.get(pointer) ?? driver.createDomain();
    domains.set(pointer, domain);
    if (kind === 'dom_map') {
      expect(driver.map(domain, iova, hex(line, 'paddr'), size, hex(line, 'prot'))).toBe(0);
    } else if (kind === 'dom_unmap') {
      expect(driver.unmap(domain, iova, size, gather)).toBe(size);
      open = { domain, end: iova + size };
    } else {
      // Before it attaches a new device, the IOMMU core makes its direct mappings and flushes the domain.
      if (!userSpace) driver.flushDomain(domain);
      driver.attach(domain, stream);
      attached.set(stream, domain);
    }
  }
  if (open !== null) driver.iotlbSync(open.domain, gather);
  return sent;
}

describe('the command queue under a captured workload', () => {
  it.each([
    ['dma-dump', 15_023],
    ['vfio-dump', 7_957],
  ])('%s: receives, command by command, what a Linux 6.12 driver sent', (capture, count) => {
    const wanted = lines(`test/vectors/commands/${capture}.txt.gz`).filter((line) => line !== '');
    const sent = play(capture);
    const first = sent.findIndex((line, i) => line !== wanted[i]);
    const around = (list: string[]): string[] => (first < 0 ? [] : list.slice(Math.max(0, first - 3), first + 5));
    expect(around(sent)).toEqual(around(wanted));
    expect(sent.length).toBe(wanted.length);
    expect(sent.length).toBe(count);
  });
});
