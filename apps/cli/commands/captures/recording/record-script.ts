/** `tablewalk record-script`: a shell script that records a capture on a machine that need have nothing of ours. */
import type { Command } from 'commander';
import { type RecordingOptions, recordingSettings } from '../../../../../traces/index.ts';
import { wholeNumber } from '../../../options/index.ts';
import recorder from './recorder.sh' with { type: 'text' };

interface RecordFlags {
  readonly kprobes?: boolean;
  readonly dma?: boolean;
  readonly duration?: number;
}

const AFTER_HELP = `
  tablewalk record-script --kprobes > record.sh
  scp record.sh machine: && ssh root@machine sh record.sh capture.txt
  tablewalk replay capture.txt

The script is POSIX sh and needs tracefs and root, nothing else. It records the events iommu:* in a trace instance of its own, so that nothing else
that is traced there is touched; without --kprobes with trace-cmd where that is installed (a trace.dat), else as text. It says where the
capture is and whether events were lost (exit code 1), and undoes everything when it ends, is interrupted or terminated.

Plain events name no domain, which a replay then infers. --kprobes names it, and the protection of each map; needs CONFIG_KPROBE_EVENTS.
Names of arguments and offsets in structures are taken from the kernel's own BTF (Linux 6.6 and later); without it arguments are taken by
place and the device is left out (the plain attach line beside it has it). What a kernel does not let be probed is left out, and the
script says so. --dma names the device of each mapping, on Linux 6.12 and later.

A recording that begins on a running system does not hold what was mapped before. To have all, put
trace_event=iommu:map,iommu:unmap,iommu:attach_device_to_domain,iommu:add_device_to_group trace_buf_size=64M on the kernel's command line and copy
/sys/kernel/tracing/trace.`;

export function register(program: Command): void {
  program
    .command('record-script')
    .description('Print a POSIX shell script that records a capture on any Linux machine, and undoes everything after.')
    .option('--kprobes', 'also the domain and the protection of each map and unmap, by kprobes')
    .option('--dma', 'also the events of the DMA API, which name devices')
    .option('--duration <seconds>', 'stop by itself after this time (default: at Ctrl-C)', wholeNumber(1))
    .addHelpText('after', AFTER_HELP)
    .action(({ kprobes = false, dma = false, duration = 0 }: RecordFlags) => {
      process.stdout.write(recordScript({ kprobes, dma, duration }));
    });
}

function recordScript(options: RecordingOptions): string {
  return `#!/bin/sh
# Records what an IOMMU is told to map and unmap, for tablewalk. Run it as root: sh record.sh [FILE]
${recordingSettings(options)}${recorder}`;
}
