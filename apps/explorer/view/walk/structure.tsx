import type { ExplainedStructure, StructureField } from '../../../../traces/browser.ts';
import { addressText } from '../words.ts';

const ROW = 32;

/** A descriptor, register or record: its bits in rows of 32, and under them what each field says. */
export function Structure({ structure, brief = false }: { structure: ExplainedStructure; brief?: boolean }) {
  const { title, value, fields, remarks, bits } = structure;
  const shown = fields.filter((field) => field.value !== '0x0' || (!brief && bits <= 64));
  return (
    <div class="structure">
      <p>
        <span class="mono value">{addressText(value)}</span> {title}
      </p>
      {fields.length > 0 && bits <= 64 && <Ruler value={BigInt(value)} bits={bits} fields={fields} />}
      <dl class="fields">
        {shown.map((field) => (
          <Field key={`${field.name} ${field.lsb}`} field={field} />
        ))}
      </dl>
      {remarks.map((remark) => (
        <p key={remark} class="note">
          {remark}
        </p>
      ))}
    </div>
  );
}

function Field({ field }: { field: StructureField }) {
  const { name, lsb, width, value, text, meaning, source } = field;
  return (
    <div title={source === '' ? meaning : `${meaning} (${source})`}>
      <dt>
        <b>{name}</b> <span class="mono note">{width === 1 ? lsb : `${lsb + width - 1}:${lsb}`}</span>
      </dt>
      <dd>
        <span class="mono">{width > 4 ? addressText(value) : Number(value)}</span>{' '}
        <span>{text !== '' ? text : width > 8 ? '' : meaning}</span>
      </dd>
    </div>
  );
}

/** For the eye only: the list below says the same. */
function Ruler({ value, bits, fields }: { value: bigint; bits: number; fields: readonly StructureField[] }) {
  const owner = new Array<number>(bits).fill(-1);
  for (const [at, { lsb, width }] of fields.entries()) owner.fill(at, lsb, lsb + width);
  const rows: number[] = [];
  for (let top = bits; top > 0; top -= ROW) rows.push(top);
  return (
    <div class="bitrows mono" aria-hidden="true">
      {rows.map((top) => (
        <div class="bitrow" key={top}>
          <span class="edge">{top - 1}</span>
          {Array.from({ length: ROW }, (_, at) => top - 1 - at).map((bit) => {
            const field = owner[bit] ?? -1;
            const one = ((value >> BigInt(bit)) & 1n) === 1n;
            const begins = owner[bit + 1] !== field;
            return (
              <i
                key={bit}
                class={`${one ? 'one ' : ''}${field < 0 ? 'none' : `f${field % 2}`}${begins ? ' begins' : ''}`}
                title={`bit ${bit}${field < 0 ? '' : `: ${fields[field]?.name ?? ''}`}`}
              >
                {one ? 1 : 0}
              </i>
            );
          })}
          <span class="edge">{top - ROW}</span>
        </div>
      ))}
    </div>
  );
}
