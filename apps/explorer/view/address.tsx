import type { SplitPart } from '../../../traces/browser.ts';
import { act, snapshot } from './store.ts';
import { addressText, bytesText } from './words.ts';

/** The address as bits: each can be turned over, and each group is the index of a level. */
export function AddressBar() {
  const now = snapshot.value;
  if (now === null) return null;
  const { split, settings } = now;
  const value = BigInt(split.iova);
  const stage = settings.format.endsWith('s2') ? 2 : 1;
  return (
    <section class="address" aria-labelledby="address-title">
      <div class="line">
        <h2 id="address-title">Address</h2>
        <input
          id="address"
          aria-label="Address"
          class="mono"
          spellcheck={false}
          autocomplete="off"
          value={addressText(value)}
          onChange={({ currentTarget }) => act(`address ${currentTarget.value.trim()}`)}
        />
        <span class="note">
          {split.ias} bits in, {bytesText(split.granule)} granule
          {split.joined > 1 ? `, ${split.joined} first-level tables joined` : ''}
          {settings.format === 'nested' ? ', of the guest' : ''}
        </span>
        {split.beyond !== '' && <span class="bad">bits above {split.ias - 1} are set: refused</span>}
      </div>
      <div class="ruler" role="group" aria-label="Bits of the address, the highest first" onKeyDown={moveFocus}>
        {split.parts
          .filter(({ width }) => width > 0)
          .map((part, at) => (
            <Part key={`${part.level} ${part.lsb}`} part={part} value={value} stage={stage} first={at === 0} />
          ))}
      </div>
    </section>
  );
}

function Part({ part, value, stage, first }: { part: SplitPart; value: bigint; stage: number; first: boolean }) {
  const { level, lsb, width, index, covers } = part;
  const bits = Array.from({ length: width }, (_, at) => lsb + width - 1 - at);
  const kind = level === null ? 'offset' : stage === 2 ? 's2' : `l${level}`;
  return (
    <div class={`part ${kind}`}>
      <div class="range mono">
        <span>{lsb + width - 1}</span>
        {width > 1 && <span>{lsb}</span>}
      </div>
      <div class="bits">
        {bits.map((bit, at) => {
          const one = ((value >> BigInt(bit)) & 1n) === 1n;
          return (
            <button
              type="button"
              key={bit}
              class={one ? 'bit one' : 'bit'}
              aria-label={`bit ${bit}: ${one ? 1 : 0}`}
              aria-pressed={one}
              tabIndex={first && at === 0 ? 0 : -1}
              onClick={() => act(`address 0x${(value ^ (1n << BigInt(bit))).toString(16)}`)}
            >
              {one ? 1 : 0}
            </button>
          );
        })}
      </div>
      <div class="what" title={level === null ? undefined : `one entry covers ${bytesText(covers)}`}>
        {level === null ? (
          <>
            <b>offset</b> <span class="mono">0x{index.toString(16)}</span>
          </>
        ) : (
          <>
            <b>L{level}</b> <span class="mono">{index}</span>
          </>
        )}
      </div>
    </div>
  );
}

/** Arrow keys move between the bits, as in every group that one stop of the tab key leads to. */
function moveFocus(event: KeyboardEvent): void {
  const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  const group = event.currentTarget as HTMLElement;
  if (by === 0) return;
  const bits = [...group.querySelectorAll<HTMLButtonElement>('.bit')];
  bits[bits.indexOf(event.target as HTMLButtonElement) + by]?.focus();
  event.preventDefault();
}
