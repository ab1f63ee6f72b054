/** What an SMMUv3 keeps in memory, by its words: stream table entries, context descriptors, commands, event records. */
import {
  COMMAND_FIELDS,
  CONTEXT_DESCRIPTOR,
  commandName,
  contextDescriptorFault,
  EVENT_FIELDS,
  eventName,
  readContextDescriptor,
  readStreamTableEntry,
  STREAM_TABLE_ENTRY,
  smmuv3Features,
  streamTableEntryFault,
} from '../../../devices/index.ts';
import type { Layout } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';
import { type ExplainedStructure, strayBits, structureFields, wordsOf } from './structure.ts';

/** Doublewords of each structure: fewer may be given, the rest is 0. */
export const SMMUV3_STRUCTURES = { ste: 8, cd: 8, cmd: 2, event: 4 } as const;
export type Smmuv3StructureName = keyof typeof SMMUV3_STRUCTURES;

/** What the checks take for granted: everything that the architecture offers. */
const FEATURES = smmuv3Features({ substreamBits: 20, inputBits52: true, outputBits: 52, streamBits: 32, stallMax: 1 });

/** @param doublewords of 64 bits, lowest first, at most as many as {@link SMMUV3_STRUCTURES} says */
export function explainSmmuv3(name: Smmuv3StructureName, doublewords: readonly bigint[]): ExplainedStructure {
  const value = doublewords.reduce((sum, word, at) => sum | (word << BigInt(64 * at)), 0n);
  const bits = 64 * SMMUV3_STRUCTURES[name];
  const words = wordsOf(value, bits);
  switch (name) {
    case 'ste': {
      const refusal = streamTableEntryFault(readStreamTableEntry(words, 0), FEATURES);
      const remarks = refusal === null ? [streamText(words)] : [`Refused with C_BAD_STE: ${refusal}.`];
      return build('stream-table-entry', name, 'stream table entry', STREAM_TABLE_ENTRY, '5.2', value, bits, remarks);
    }
    case 'cd': {
      const refusal = contextDescriptorFault(readContextDescriptor(words, 0), FEATURES, false);
      const remarks = refusal === null ? [] : [`Refused with C_BAD_CD: ${refusal}.`];
      return build('context-descriptor', name, 'context descriptor', CONTEXT_DESCRIPTOR, '5.4', value, bits, remarks);
    }
    case 'cmd': {
      const code = Number(value & 0xffn);
      const command = commandName(code);
      const title = command === undefined ? 'command' : `CMD_${command}`;
      const remarks =
        command === undefined ? [`Illegal: opcode ${hexText(code)} is none of a Non-secure queue (CERROR_ILL).`] : [];
      return build(
        'command',
        name,
        title,
        command === undefined ? {} : COMMAND_FIELDS[command],
        '4',
        value,
        bits,
        remarks,
      );
    }
    case 'event': {
      const code = Number(value & 0xffn);
      const event = eventName(code);
      const remarks =
        event === undefined ? [`Event number ${hexText(code)} is reserved or implementation defined.`] : [];
      return build(
        'event',
        name,
        event ?? 'event',
        event === undefined ? {} : EVENT_FIELDS[event],
        '7.3',
        value,
        bits,
        remarks,
      );
    }
  }
}

const STREAM_CONFIG = ['bypass', 'stage 1 translates', 'stage 2 translates', 'stage 1 and stage 2 translate'];

function streamText(words: Uint32Array): string {
  const { Config } = readStreamTableEntry(words, 0);
  return Config < 4 ? 'Config aborts all traffic.' : `Config ${Config}: ${STREAM_CONFIG[Config - 4] ?? ''}.`;
}

function build(
  kind: ExplainedStructure['kind'],
  name: string,
  title: string,
  layout: Layout,
  section: string,
  value: bigint,
  bits: number,
  more: readonly string[],
): ExplainedStructure {
  const fields = structureFields(layout, value, `IHI 0070 section ${section}`);
  const stray = fields.length === 0 ? null : strayBits(fields, value);
  const remarks = stray === null ? more : [...more, `${stray}, and no field has them.`];
  return { kind, name, title: `SMMUv3 ${title}`, bits, value: hexText(value), fields, remarks };
}
