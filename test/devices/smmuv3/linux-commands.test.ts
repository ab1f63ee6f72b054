import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Command, decodeCommand, newGather, type Smmuv3Domain } from '../../../devices/index.ts';
import { machineWith } from './machine.ts';

const lines = (file: string): string[] => gunzipSync(readFileSync(file)).toString().split('\n');
const hex = (line: string, name: string): number => Number(new RegExp(`\\b${name}=(0x[0-9a-f]+)`).exec(line)?.[1]);

/**
 * The pieces that QEMU 7.2 breaks a range invalidation into when it logs it: naturally aligned powers of two.
 */
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

describe('the command queue under a captured workload', () => {
  it('receives, command by command, what a Linux 6.12 driver sent for the same attaches, maps and unmaps', () => {
    const wanted = lines('test/vectors/commands/dma-dump.txt.gz').filter((line) => line !== '');
    const sent: string[] = [];
    // The SMMU of the capture, with room for its addresses.
    const { smmu, memory, makeDriver } = machineWith({ stage2: false, msi: false, sev: false, outputBits: 44 });
    const execute = smmu.commands.execute.bind(smmu.commands);
    smmu.commands.execute = (pa) => {
      const command = decodeCommand(memory.words, memory.index(pa));
      if (command !== null) sent.push(logged(command));
      return execute(pa);
    };
    const driver = makeDriver();
    const domains = new Map<string, Smmuv3Domain>();
    for (const line of lines('traces/samples/dma-dump.ftrace.txt.gz')) {
      const event = /(dom_attach|dom_map|dom_unmap): \(.*\) domain=(0x[0-9a-f]+)/.exec(line);
      if (event === null) continue;
      const [, kind, pointer = ''] = event;
      const iova = hex(line, 'iova');
      const size = hex(line, 'size');
      const domain = domains.get(pointer) ?? driver.createDomain();
      domains.set(pointer, domain);
      if (kind === 'dom_map') {
        expect(driver.map(domain, iova, hex(line, 'paddr'), size, hex(line, 'prot'))).toBe(0);
      } else if (kind === 'dom_unmap') {
        const gather = newGather();
        expect(driver.unmap(domain, iova, size, gather)).toBe(size);
        driver.iotlbSync(domain, gather);
      } else {
        const [, bus = '', slot = '', fn = ''] = /dev="0000:(..):(..)\.(.)"/.exec(line) ?? [];
        const stream = Number.parseInt(bus, 16) * 256 + Number.parseInt(slot, 16) * 8 + Number(fn);
        // The IOMMU core flushes the domain once it has made the device's direct mappings, before it attaches the device.
        driver.flushDomain(domain);
        driver.attach(domain, stream);
      }
    }
    const first = sent.findIndex((line, i) => line !== wanted[i]);
    const around = (list: string[]): string[] => (first < 0 ? [] : list.slice(Math.max(0, first - 3), first + 5));
    expect(around(sent)).toEqual(around(wanted));
    expect(sent.length).toBe(wanted.length);
    expect(wanted.length).toBe(15_023);
  });
});
