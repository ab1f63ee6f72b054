/** StreamID of a PCI device named `domain:bus:device.function`, as Arm systems commonly wire it (bus, device, function); -1 for other names. */
export function streamIdOf(device: string): number {
  const match = /^(?:[0-9a-f]+:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(device);
  if (match === null) return -1;
  const [, bus = '', slot = '', fn = ''] = match;
  return Number.parseInt(bus, 16) * 256 + Number.parseInt(slot, 16) * 8 + Number(fn);
}

/** The name of the device that {@link streamIdOf} gives this StreamID, which is below 2^16. */
export function pciNameOf(stream: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `0000:${hex(stream >> 8)}:${hex((stream >> 3) & 31)}.${stream & 7}`;
}
