import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { act, ask, snapshot, source } from '../store.ts';

/** Bugs that the page offers: those that a few lines by hand can show. */
const BUGS: readonly (readonly [name: string, title: string])[] = [
  ['drop-sync', 'no cache maintenance (needs walks that see memory only)'],
  ['skip-invalidate', 'an unmap does not invalidate'],
  ['late-invalidate', 'an unmap invalidates when the next one does'],
  ['skip-walk-flush', 'walk caches keep the way into freed tables'],
  ['bbm', 'a live leaf is changed in place'],
  ['wrong-asid', 'context descriptors have another ASID'],
  ['wrong-address', 'the last leaf leads elsewhere'],
  ['dirty-table', 'a table is not zeroed'],
];

const fields = signal({ iova: '0x40000000', pa: '0x80000000', size: '2M', rights: 'rw', line: '' });

function Field({ id, name, label }: { id: string; name: 'iova' | 'pa' | 'size' | 'rights'; label: string }) {
  return (
    <label class="choice">
      <span>{label}</span>
      <input
        id={id}
        class={`mono ${name === 'size' || name === 'rights' ? 'short' : ''}`}
        spellcheck={false}
        autocomplete="off"
        value={fields.value[name]}
        onInput={({ currentTarget }) => (fields.value = { ...fields.value, [name]: currentTarget.value.trim() })}
      />
    </label>
  );
}

/** What can be done to the machine. */
export function Actions() {
  const now = snapshot.value;
  const address = now?.split.iova ?? '';
  // What is looked at is what one most likely wants to touch next.
  useEffect(() => {
    if (address !== '') fields.value = { ...fields.value, iova: address };
  }, [address]);
  if (now === null) return null;
  const brought = source.value !== null;
  const { iova, pa, size, rights, line } = fields.value;
  const planted = now.settings.bugs;
  const nested = now.settings.format === 'nested';
  const bare = nested || now.settings.format === 'arm-v7s' || now.settings.format === 'both-halves';
  const submit = (deed: () => void) => (event: SubmitEvent) => {
    event.preventDefault();
    deed();
  };
  return (
    <section class="actions" aria-labelledby="actions-title">
      <div class="line">
        <h2 id="actions-title">Do</h2>
        {brought && <span class="note">what was opened can be touched, and not changed</span>}
        <button
          type="button"
          class="quiet"
          hidden={brought}
          disabled={now.done.length === 0}
          onClick={() => ask({ kind: 'undo' })}
        >
          undo
        </button>
        <button type="button" class="quiet" hidden={brought} onClick={() => ask({ kind: 'reset' })}>
          start again
        </button>
      </div>
      <form class="line" hidden={brought} onSubmit={submit(() => act(`map ${iova} ${pa} ${size} ${rights}`))}>
        <Field id="map-iova" name="iova" label={nested ? 'map address' : 'map IOVA'} />
        <Field id="map-pa" name="pa" label={nested ? 'to IPA' : 'to'} />
        <Field id="map-size" name="size" label="size" />
        <Field id="map-rights" name="rights" label="rights" />
        <button type="submit">map</button>
        {nested && (
          <button type="button" onClick={() => act(`map2 ${iova} ${pa} ${size} ${rights}`)}>
            map at stage 2
          </button>
        )}
      </form>
      <form class="line" hidden={brought} onSubmit={submit(() => act(`unmap ${iova} ${size}`))}>
        <Field id="unmap-iova" name="iova" label="unmap" />
        <Field id="unmap-size" name="size" label="size" />
        <button type="submit">unmap</button>
        {nested && (
          <button type="button" onClick={() => act(`unmap2 ${iova} ${size}`)}>
            unmap at stage 2
          </button>
        )}
      </form>
      <form class="line" onSubmit={submit(() => act(`touch ${iova} r`))}>
        <Field id="touch-iova" name="iova" label="device touches" />
        <button type="submit">read</button>
        <button type="button" onClick={() => act(`touch ${iova} w`)}>
          write
        </button>
        <label class="choice">
          <span>invalidate</span>
          <select
            value=""
            onChange={({ currentTarget }) => {
              if (currentTarget.value !== '') act(currentTarget.value.replace('IOVA', iova));
              currentTarget.value = '';
            }}
          >
            <option value="">by hand…</option>
            <option value="invalidate all">everything</option>
            <option value="invalidate asid">the address space</option>
            <option value="invalidate iova IOVA">the address</option>
            <option value="invalidate iova IOVA leaf">the address, leaves only</option>
          </select>
        </label>
        <label class="choice" hidden={brought}>
          <span>plant a bug</span>
          <select
            value={planted}
            disabled={bare}
            onChange={({ currentTarget }) => act(`set bugs ${currentTarget.value}`)}
          >
            <option value="">none</option>
            {BUGS.map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
            {planted !== '' && !BUGS.some(([name]) => name === planted) && <option value={planted}>{planted}</option>}
          </select>
        </label>
      </form>
      <form
        class="line"
        onSubmit={submit(() => {
          act(line);
          fields.value = { ...fields.value, line: '' };
        })}
      >
        <label class="choice wide">
          <span>or a line</span>
          <input
            id="line"
            class="mono"
            spellcheck={false}
            autocomplete="off"
            placeholder="wait 10ms, write 0x40000000 3 0x0, clean 0x40000000 3, space 1"
            value={line}
            onInput={({ currentTarget }) => (fields.value = { ...fields.value, line: currentTarget.value })}
          />
        </label>
        <button type="submit">do it</button>
      </form>
    </section>
  );
}
